"""Records of people who do not exist, for `raskal.datasets.make_people`.

Start at `People`. Everything comes from short tables and a seed, so that equal seeds give equal people anywhere.
"""

from __future__ import annotations

import random
from typing import Any

FIRST = (
    "Alice Bob Charlie Dan Edith Frank George Hannah Ingrid Jerry Kevin Laura Michael Norbert Oliver Patricia Quinn "
    "Ray Sarah Tim Ursula Victor Wendy Xavier Yvonne Zelda"
).split()
LAST = (
    "Abbott Barnes Calder Dawson Ellis Fletcher Garner Hobbs Irwin Jarvis Keller Lowell Mercer Norris Osborn Palmer "
    "Quigley Ramsey Sutton Thorpe Underhill Vance Walsh Yates"
).split()
_OCCUPATIONS = (
    "Accountant Actuary Archivist Baker Bookbinder Carpenter Chemist Cook Dentist Editor Electrician Farmer Geologist "
    "Glazier Librarian Mason Nurse Optician Painter Pilot Plumber Surveyor Tailor Teacher Translator Upholsterer"
).split()
_STREETS = "Alder Birch Canal Depot Elm Fountain Garden Harbour Iron Juniper King Lake Mill North Orchard Park".split()
_KINDS = "Street Road Lane Avenue Terrace Square Way".split()
_CITIES = (
    "Ashford Brookfield Clearwater Dunmore Eastport Fairview Glenwood Hartwell Kingsbridge Lakeside Milford Northgate "
    "Oakridge Riverton Springdale Westbrook"
).split()


class People:
    """Makes the records of one partition from its number."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed

    def __call__(self, partition: int) -> list[dict[str, Any]]:
        """Return as many records as there are to be in a partition."""
        draw = random.Random(f"{self.seed}-{partition}")
        return [_person(draw) for _ in range(self.count)]


def _person(draw: random.Random) -> dict[str, Any]:
    def digits(count: int) -> str:
        return "".join(draw.choices("0123456789", k=count))

    return {
        "age": draw.randint(16, 90),
        "name": (draw.choice(FIRST), draw.choice(LAST)),
        "occupation": draw.choice(_OCCUPATIONS),
        "telephone": f"+1-555-{digits(3)}-{digits(4)}",
        "address": {
            "address": f"{draw.randint(1, 1999)} {draw.choice(_STREETS)} {draw.choice(_KINDS)}",
            "city": draw.choice(_CITIES),
        },
        "credit-card": {
            "number": " ".join(digits(4) for _ in range(4)),
            "expiration-date": f"{draw.randint(1, 12):02}/{draw.randint(26, 35)}",
        },
    }
