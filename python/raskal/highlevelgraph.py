"""Graphs of dictionaries in layers, as collections of one's own may use them.

Start at `HighLevelGraph`. raskal's own collections have layers in Rust, and give plain dictionaries to whoever asks for
Dask's protocol.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from raskal.graphs import dependencies_of, order_of

__all__ = ["HighLevelGraph", "Layer", "MaterializedLayer"]


class Layer(Mapping[Any, Any]):
    """A part of a graph: a mapping of keys to tasks.

    Parameters
    ----------
    annotations : mapping, optional
        What is asked of its tasks; see `raskal.annotate`.
    collection_annotations : mapping, optional
        Notes about the collection, for pictures.
    """

    def __init__(
        self, annotations: Mapping[str, Any] | None = None, collection_annotations: Mapping[str, Any] | None = None
    ) -> None:
        from raskal.annotations import get_annotations

        self.annotations = dict(annotations) if annotations is not None else (get_annotations() or None)
        self.collection_annotations = dict(collection_annotations) if collection_annotations is not None else None

    def is_materialized(self) -> bool:
        """Whether the tasks are there already."""
        return True

    def get_output_keys(self) -> set[Any]:
        """The keys that other layers may use."""
        return set(self)

    def get_dependencies(self, key: Any, all_hlg_keys: Any) -> set[Any]:
        """The keys, of `all_hlg_keys`, that a task needs."""
        return set(dependencies_of(self[key], all_hlg_keys))


class MaterializedLayer(Layer):
    """A layer that is a dictionary.

    Examples
    --------
    >>> layer = MaterializedLayer({"x": 1, "y": (abs, "x")})
    >>> len(layer), layer.get_dependencies("y", layer)
    (2, {'x'})
    """

    def __init__(
        self,
        mapping: Mapping[Any, Any],
        annotations: Mapping[str, Any] | None = None,
        collection_annotations: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(annotations, collection_annotations)
        self.mapping = mapping

    def __getitem__(self, key: Any) -> Any:
        return self.mapping[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.mapping)

    def __len__(self) -> int:
        return len(self.mapping)


class HighLevelGraph(Mapping[Any, Any]):
    """A graph in layers.

    Parameters
    ----------
    layers : mapping of str to mapping
        The layers by name.
    dependencies : mapping of str to set of str
        The layers that each needs.
    key_dependencies : mapping, optional
        What single keys need, where it is known.

    Examples
    --------
    >>> graph = HighLevelGraph({"a": {"x": 1}, "b": {"y": (abs, "x")}}, {"a": set(), "b": {"a"}})
    >>> import raskal
    >>> raskal.get(graph, "y")
    1
    """

    def __init__(
        self,
        layers: Mapping[str, Mapping[Any, Any]],
        dependencies: Mapping[str, Collection[str]],
        key_dependencies: Mapping[Any, Collection[Any]] | None = None,
    ) -> None:
        self.layers: dict[str, Layer] = {
            name: layer if isinstance(layer, Layer) else MaterializedLayer(layer) for name, layer in layers.items()
        }
        self.dependencies: dict[str, set[str]] = {name: set(needs) for name, needs in dependencies.items()}
        self.key_dependencies = dict(key_dependencies or {})

    @classmethod
    def from_collections(cls, name: str, layer: Mapping[Any, Any], dependencies: Iterable[Any] = ()) -> HighLevelGraph:
        """A new layer on top of the graphs of some collections.

        Raises
        ------
        TypeError
            If a dependency is no collection.
        """
        layers: dict[str, Mapping[Any, Any]] = {name: layer}
        needs: dict[str, set[str]] = {name: set()}
        for collection in dependencies:
            if not hasattr(type(collection), "__dask_graph__"):
                raise TypeError(f"a dependency must be a collection, got a {type(collection).__name__}")
            graph = collection.__dask_graph__()
            if isinstance(graph, HighLevelGraph):
                layers.update(graph.layers)
                needs.update(graph.dependencies)
                needs[name] |= set(collection.__dask_layers__())
            else:
                own = f"collection-{id(graph)}"
                layers[own], needs[own] = graph, set()
                needs[name].add(own)
        return cls(layers, needs)

    @classmethod
    def merge(cls, *graphs: Mapping[Any, Any]) -> HighLevelGraph:
        """Several graphs in one."""
        layers: dict[str, Mapping[Any, Any]] = {}
        needs: dict[str, set[str]] = {}
        for graph in graphs:
            if isinstance(graph, HighLevelGraph):
                layers.update(graph.layers)
                needs.update(graph.dependencies)
            else:
                layers[str(id(graph))], needs[str(id(graph))] = graph, set()
        return cls(layers, needs)

    def __getitem__(self, key: Any) -> Any:
        for layer in self.layers.values():
            if key in layer:
                return layer[key]
        raise KeyError(key)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_dict())

    def __len__(self) -> int:
        return len(self.to_dict())

    def to_dict(self) -> dict[Any, Any]:
        """All layers as one dictionary."""
        return {key: value for layer in self.layers.values() for key, value in layer.items()}

    def get_all_external_keys(self) -> set[Any]:
        """The keys that layers may use of each other."""
        return {key for layer in self.layers.values() for key in layer.get_output_keys()}

    def get_all_dependencies(self) -> dict[Any, set[Any]]:
        """What each key needs."""
        graph = self.to_dict()
        return {key: set(self.key_dependencies.get(key, dependencies_of(value, graph))) for key, value in graph.items()}

    def cull(self, keys: Iterable[Any]) -> HighLevelGraph:
        """The part that some keys need."""
        needed = order_of(self.to_dict(), keys)
        layers: dict[str, Mapping[Any, Any]] = {}
        for name, layer in self.layers.items():
            kept = {key: value for key, value in layer.items() if key in needed}
            if kept:
                layers[name] = MaterializedLayer(kept, layer.annotations, layer.collection_annotations)
        return HighLevelGraph(layers, {name: self.dependencies[name] & layers.keys() for name in layers})

    def validate(self) -> None:
        """Check that layers and dependencies fit.

        Raises
        ------
        ValueError
            If a layer needs one that is not there, or two layers have one key.
        """
        if self.layers.keys() != self.dependencies.keys():
            odd = sorted(self.layers.keys() ^ self.dependencies.keys())
            raise ValueError(f"layers and dependencies differ in {odd}")
        owner: dict[Any, str] = {}
        for name, layer in self.layers.items():
            for need in self.dependencies[name] - self.layers.keys():
                raise ValueError(f"layer {name!r} needs {need!r}, which is not in the graph")
            for key in layer:
                if owner.setdefault(key, name) != name:
                    raise ValueError(f"key {key!r} is in the layers {owner[key]!r} and {name!r}")
