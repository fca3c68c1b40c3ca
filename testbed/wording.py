"""How things of a run are called, wherever they are shown."""


def method(mode: str, algorithm: str) -> str:
    """By what a model was trained: an algorithm, or the hub alone, where algorithms have nothing to put together."""
    return "centralised training" if mode == "centralised" else algorithm
