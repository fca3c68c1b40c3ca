"""Who a synthetic subject is, and how far the disease has gone: drawn from the seed, nobody real.

The laws of the classes are set from group studies: hippocampal volume −10 to −15 % in mild cognitive impairment and
−20 to −25 % in Alzheimer's disease (Shi et al. 2009, doi:10.1002/hipo.20573; Jack et al. 1999,
doi:10.1212/WNL.52.7.1397), ventricles growing by up to a half (Nestor et al. 2008, doi:10.1093/brain/awn146), FDG
uptake falling in temporo-parietal cortex (Landau et al. 2011, doi:10.1016/j.neurobiolaging.2009.07.002). The variance
within a class is as large as the difference between neighbours, as in those studies: classes overlap, and nobody can
tell them apart without error.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nodes.phantoms.classes import Label


@dataclass(frozen=True)
class Law:
    """A class's mean change, as fractions of the healthy value."""

    hippocampal_loss: float
    ventricular_gain: float
    hypometabolism: float
    age_years: float


LAWS: dict[Label, Law] = {
    "control": Law(0.0, 0.0, 0.0, 72.0),
    "mci": Law(0.135, 0.17, 0.085, 73.5),
    "ad": Law(0.235, 0.36, 0.18, 75.0),
}
_SPREAD = Law(0.066, 0.17, 0.068, 6.5)
"""Standard deviations within a class, on top of what anatomy and the scanner add."""
_SHARED = 0.5
"""How much of that spread the three measures share: a far advanced brain is far advanced in all of them."""


@dataclass(frozen=True)
class Subject:
    """One synthetic person.

    Changes are fractions of the healthy template's value; `pattern` seeds their anatomy and noise.
    """

    number: int  # 1 to the cohort's size
    label: Label
    sex: Literal["F", "M"]
    age_years: int
    weight_kg: float
    hippocampal_loss: float
    ventricular_gain: float
    hypometabolism: float
    pattern: np.random.SeedSequence


def draw(number: int, label: Label, seeds: np.random.SeedSequence) -> Subject:
    """Draw one subject of a class; the same seeds give the same subject."""
    who, pattern = seeds.spawn(2)
    random = np.random.default_rng(who)
    law, shared = LAWS[label], random.standard_normal()

    def around(mean: float, spread: float, low: float, high: float) -> float:
        own = random.standard_normal()
        deviation = np.sqrt(_SHARED) * shared + np.sqrt(1 - _SHARED) * own
        return float(np.clip(mean + spread * deviation, low, high))

    sex: Literal["F", "M"] = "F" if random.random() < 0.5 else "M"
    age = float(np.clip(random.normal(law.age_years, _SPREAD.age_years), 55, 94))
    ageing = age - law.age_years  # shrinks what disease shrinks: −0.4 % and +1 % a year
    return Subject(
        number=number,
        label=label,
        sex=sex,
        age_years=round(age),
        weight_kg=round(float(np.clip(random.normal(66 if sex == "F" else 79, 10), 42, 120)), 1),
        hippocampal_loss=around(law.hippocampal_loss + 0.004 * ageing, _SPREAD.hippocampal_loss, -0.15, 0.42),
        ventricular_gain=around(law.ventricular_gain + 0.01 * ageing, _SPREAD.ventricular_gain, -0.3, 0.8),
        hypometabolism=around(law.hypometabolism, _SPREAD.hypometabolism, -0.12, 0.4),
        pattern=pattern,
    )
