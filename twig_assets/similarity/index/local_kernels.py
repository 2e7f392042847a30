"""Compiled kernels of the inverted lists of local features."""

import numpy as np

from twig_assets.similarity.index.pdq_kernels import bits, kernel

WITHDRAWN = 0xFFFFFFFF
"""In a map of rows: of a work that is left out."""


@kernel
def put_in_lists(starts, rows, geometry, signatures, row_map, places, new_rows, new_geometry, new_signatures):
    """Copy the entries of one table to their lists in another.

    Args:
        starts: uint32 (words + 1,): where each list of the table starts.
        rows: uint32 (n,).
        geometry: uint32 (n,).
        signatures: uint64 (n,).
        row_map: uint32: row of the table -> row of the other, or WITHDRAWN.
        places: int64 (words,): where the next entry of each list goes; is moved on.
        new_rows: Is filled, like `new_geometry` and `new_signatures`.
        new_geometry: See above.
        new_signatures: See above.
    """
    for word in range(len(places)):
        for i in range(np.int64(starts[word]), np.int64(starts[word + 1])):
            row = row_map[rows[i]]
            if row != WITHDRAWN:
                place = places[word]
                new_rows[place], new_geometry[place], new_signatures[place] = row, geometry[i], signatures[i]
                places[word] += 1


@kernel
def kept_per_list(starts, rows, row_map, counts):
    """Add to each list's count the entries of a table that are not withdrawn; see `put_in_lists`."""
    for word in range(len(counts)):
        for i in range(np.int64(starts[word]), np.int64(starts[word + 1])):
            if row_map[rows[i]] != WITHDRAWN:
                counts[word] += 1


@kernel
def alike(starts, rows, geometry, signatures, words, wanted, limit, found_rows, found_feature, found_geometry, far):
    """Entries in the lists of an image's features whose signatures differ in few bits.

    Args:
        starts: uint32 (words + 1,).
        rows: uint32 (n,).
        geometry: uint32 (n,).
        signatures: uint64 (n,).
        words: int32 (F, W): lists to look into for each feature.
        wanted: uint64 (F, W): the feature's signature in each.
        limit: Bits that may differ.
        found_rows: uint32 (room,), is filled.
        found_feature: int32 (room,), is filled with the feature's number.
        found_geometry: uint32 (room,), is filled.
        far: uint8 (room,), is filled with the bits that differ.

    Returns:
        How many there are, which may be more than there is room for.
    """
    count = 0
    most = np.uint64(limit)
    for feature in range(len(words)):
        for i in range(words.shape[1]):
            word, signature = words[feature, i], wanted[feature, i]
            for entry in range(np.int64(starts[word]), np.int64(starts[word + 1])):
                distance = bits(signatures[entry] ^ signature)
                if distance <= most:
                    if count < len(found_rows):
                        found_rows[count], found_feature[count] = rows[entry], feature
                        found_geometry[count], far[count] = geometry[entry], distance
                    count += 1
    return count
