"""The assets, one file each, in lineage order. They read rows, call one function, write rows and say what they did."""
