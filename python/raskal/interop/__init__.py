"""Working with engines and collections that are not raskal's.

- `collections`: anything with Dask's collection protocol, as a delayed value of ours.
- `protocol`: our collections with Dask's protocol, so that Dask computes them.
- `engines`: Dask, Ray and executors of ``concurrent.futures`` as the scheduler of a computation.
- `tasks`: the tasks of a computation as plain callables, which is what those engines are given.

Dask and Ray are imported only when their objects or names are given.
"""
