"""Functions of the module that are methods of `Array` too, with the array as their first argument.

Start at `METHODS`; nothing else is here.
"""

from __future__ import annotations

from importlib import import_module

from raskal.array.collection import Array

#: The methods by the module that their functions are in.
METHODS = {
    "arg": "argmin argmax",
    "assorted": "choose",
    "contraction": "dot",
    "cumulative": "cumsum cumprod",
    "diagonal": "trace",
    "order": "topk argtopk",
    "rearrange": "repeat shuffle",
    "reinterpret": "view",
    "reductions": "sum prod mean var std min max any all moment",
    "selection": "nonzero",
    "shape": "squeeze swapaxes ravel flatten",
    "storage": "store to_zarr to_hdf5 to_npy_stack",
    "tiledb_storage": "to_tiledb",
    "elementwise": "clip round",
}
for _module, _names in METHODS.items():
    for _name in _names.split():
        setattr(Array, _name, getattr(import_module(f"raskal.array.{_module}"), _name))
