"""How a benchmark says what it found: a line for people, a line of JSON for machines."""

import json


def tell(what: str, figure: float, limit: float, unit: str) -> None:
    """Print a figure beside its limit; `ratio` over 1 has missed it."""
    ratio = figure / limit
    print(f"{what}: {figure:.3g} {unit}, limit {limit:.3g} {unit}, ratio {ratio:.2f}")
    print(json.dumps({"bench": what, "figure": figure, "limit": limit, "unit": unit, "ratio": ratio}))
