"""Vectors of float32 for numba kernels, as a type of their own.

LLVM turns one operation on `LANES` numbers into what the processor has: one AVX-512 instruction, two of AVX, four of
NEON.
Left to itself the compiler does not vectorise loops over sliding windows, which is why they are spelled out.

Numba's cache on disk notices a change of the file that holds a kernel, not of this one: remove `__pycache__` after
editing it.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 16
"""Numbers in a vector."""

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
# Sums may be reordered and a division may be a refined reciprocal: the error stays far below the engine's 2e-4.
_FLAGS = ("nnan", "ninf", "nsz", "arcp", "contract", "reassoc")
_ALIGNMENT = 4


class VectorType(types.Type):
    """The type, in numba, of LANES float32 numbers side by side."""

    def __init__(self):
        super().__init__(name=f"float32x{LANES}")


vector = VectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _VECTOR)


def _pointer(context, builder, kind, array, index, pointee):
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), pointee.as_pointer())


@intrinsic
def load(_context, array, index):
    """LANES numbers of a flat float32 array from an index on; nothing checks that they are inside."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], *arguments, _VECTOR)
        return builder.load(pointer, align=_ALIGNMENT)

    return vector(array, types.intp), generate


@intrinsic
def floats_at(_context, address):
    """A pointer to float32 numbers, from their address; whoever passes it keeps the array."""

    def generate(_context, builder, _signature, arguments):
        return builder.inttoptr(arguments[0], ir.FloatType().as_pointer())

    return types.CPointer(types.float32)(types.intp), generate


@intrinsic
def load_bytes(_context, array, index):
    """LANES numbers of a flat uint8 array from an index on, as float32."""
    small = ir.VectorType(ir.IntType(8), LANES)

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], *arguments, small)
        return builder.uitofp(builder.load(pointer, align=1), _VECTOR)

    return vector(array, types.intp), generate


@intrinsic
def store(_context, array, index, value):
    """Write LANES numbers into a flat float32 array from an index on."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], *arguments[:2], _VECTOR)
        builder.store(arguments[2], pointer, align=_ALIGNMENT)
        return context.get_dummy_value()

    return types.none(array, types.intp, value), generate


@intrinsic
def splat(_context, number):
    """A vector that holds one number in every lane."""

    def generate(_context, builder, _signature, arguments):
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(undefined, arguments[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))

    return vector(types.float32), generate


@intrinsic
def fma(_context, a, b, c):
    """A * b + c, lane by lane; in one step where the processor can."""

    def generate(_context, builder, _signature, arguments):
        name = f"llvm.fmuladd.v{LANES}f32"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), name)
        return builder.call(function, arguments, fastmath=_FLAGS)

    return vector(a, b, c), generate


@intrinsic
def _largest(_context, a, b):
    def generate(_context, builder, _signature, arguments):
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return vector(a, b), generate


@intrinsic
def root(_context, a):
    """Square root, lane by lane."""

    def generate(_context, builder, _signature, arguments):
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.sqrt.v{LANES}f32"
        )
        return builder.call(function, arguments)

    return vector(a), generate


def _operation(instruction):
    @intrinsic
    def apply(_context, a, b):
        def generate(_context, builder, _signature, arguments):
            return getattr(builder, instruction)(*arguments, flags=_FLAGS)

        return vector(a, b), generate

    return apply


def _define(symbol, operation):
    @overload(symbol)
    def apply(a, b):
        if a is vector and b is vector:
            return lambda a, b: operation(a, b)
        return None


_define(operator.add, _operation("fadd"))
_define(operator.sub, _operation("fsub"))
_define(operator.mul, _operation("fmul"))
_define(operator.truediv, _operation("fdiv"))
_define(max, _largest)


@intrinsic
def total(_context, a):
    """Sum of the lanes, as float32."""

    def generate(_context, builder, _signature, arguments):
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), _VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
        return builder.call(function, [ir.Constant(ir.FloatType(), 0.0), arguments[0]], fastmath=_FLAGS)

    return types.float32(a), generate
