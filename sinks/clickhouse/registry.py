"""Names behind the numbers of postings: the meters, accounts and tariff versions of every site.

The ledger counts them from 0 within a site and introduces each number once, in the first posting that uses it
or an earlier one. What a number stands for never changes, so a registry may be ahead of the postings that are
being written: reading some of them again gives the same rows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sinks.errors import RegistryError
from streams.core.outcome import NO_CELL, NO_VERSION, AccountOpened, MeterInstalled, VersionTaken

Codes: TypeAlias = NDArray[np.int32]

_MISSING: Final = -1


class Vocabulary:
    """Words by code, so that a column of them is an array of codes. Code 0 is the empty word.

    >>> words = Vocabulary()
    >>> words.code("M1"), words.code("M2"), words.code("M1"), words.code("")
    (1, 2, 1, 0)
    """

    def __init__(self) -> None:
        self._codes = {"": 0}
        self._words = [""]
        self._array = np.empty(0, object)

    def code(self, word: str) -> int:
        """The word's code; a new word gets the next one."""
        code = self._codes.setdefault(word, len(self._words))
        if code == len(self._words):
            self._words.append(word)
        return code

    def array(self) -> NDArray[np.object_]:
        """All words by code."""
        if len(self._array) != len(self._words):
            self._array = np.array(self._words, object)
        return self._array

    def __getitem__(self, code: int) -> str:
        return self._words[code]


class Numbered:
    """A value (a code) for each number; numbers come in nearly any order, and are looked up by the array."""

    def __init__(self) -> None:
        self._values: list[int] = []
        self._array: Codes = np.empty(0, np.int32)
        self._stale = False

    def put(self, number: int, value: int) -> None:
        """Set a number's value.

        Raises:
            RegistryError: It has another one.
        """
        missing = number + 1 - len(self._values)
        if missing > 0:
            self._values.extend([_MISSING] * missing)
        if self._values[number] not in (_MISSING, value):
            raise RegistryError(f"number {number} comes again for something else")
        self._values[number] = value
        self._stale = True

    def take(self, numbers: NDArray[Any]) -> Codes:
        """The values of an array of numbers.

        Raises:
            RegistryError: One was never set.
        """
        if self._stale:
            self._array = np.array(self._values, np.int32)
            self._stale = False
        if not len(numbers):
            return np.empty(0, np.int32)
        try:
            values = self._array.take(numbers)
        except IndexError:
            raise RegistryError(f"number {int(numbers.max())} was never introduced") from None
        if values.min() == _MISSING:
            raise RegistryError(f"number {int(numbers[values == _MISSING][0])} was never introduced")
        return values

    def __getitem__(self, number: int) -> int:
        return int(self.take(np.array([number]))[0])

    def __contains__(self, number: int) -> bool:
        return number < len(self._values) and self._values[number] != _MISSING


@dataclass(frozen=True, slots=True)
class Vocabularies:
    """The words of all sites, one vocabulary a column."""

    sites: Vocabulary = field(default_factory=Vocabulary)
    meters: Vocabulary = field(default_factory=Vocabulary)
    gateways: Vocabulary = field(default_factory=Vocabulary)
    accounts: Vocabulary = field(default_factory=Vocabulary)
    kinds: Vocabulary = field(default_factory=Vocabulary)
    tariffs: Vocabulary = field(default_factory=Vocabulary)
    bands: Vocabulary = field(default_factory=Vocabulary)


class SiteRegistry:
    """What the numbers of one site stand for, as codes of the vocabularies."""

    def __init__(self, site: str, words: Vocabularies) -> None:
        self.code = words.sites.code(site)
        self.meters = Numbered()
        self.gateways = Numbered()
        self.kinds = Numbered()
        self.accounts = Numbered()
        self._tariffs = Numbered()
        # The bands of all versions lie in one array; where a version's begin is looked up by its number.
        self._first_band = Numbered()
        self._band_count = Numbered()
        self._bands: list[int] = []
        self._words = words

    def add_account(self, number: int, *, account: str) -> None:
        """Take an account's name."""
        self.accounts.put(number, self._words.accounts.code(account))

    def add_meter(self, number: int, *, meter: str, gateway: str, kind: str) -> None:
        """Take a meter's name, its gateway's and its kind."""
        self.meters.put(number, self._words.meters.code(meter))
        self.gateways.put(number, self._words.gateways.code(gateway))
        self.kinds.put(number, self._words.kinds.code(kind))

    def add_version(self, number: int, *, tariff: str, bands: Iterable[str]) -> None:
        """Take a tariff version's tariff and the names of its bands."""
        self._tariffs.put(number, self._words.tariffs.code(tariff))
        codes = [self._words.bands.code(band) for band in bands]
        if number not in self._first_band:
            self._first_band.put(number, len(self._bands))
            self._band_count.put(number, len(codes))
            self._bands.extend(codes)
        first = self._first_band[number]
        if self._bands[first : first + self._band_count[number]] != codes:
            raise RegistryError(f"tariff version {number} comes again with other bands")

    def tariff_codes(self, versions: NDArray[np.uint16]) -> Codes:
        """The tariffs of an array of version numbers, the empty word for `NO_VERSION`."""
        codes = np.zeros(len(versions), np.int32)
        single = versions != NO_VERSION
        codes[single] = self._tariffs.take(versions[single])
        return codes

    def band_codes(self, versions: NDArray[np.uint16], bands: NDArray[np.uint8]) -> Codes:
        """The names of bands by version and place, the empty word for `NO_CELL`."""
        codes = np.zeros(len(versions), np.int32)
        single = (versions != NO_VERSION) & (bands != NO_CELL)
        of, place = versions[single], bands[single]
        first = self._first_band.take(of)
        if (place >= self._band_count.take(of)).any():
            raise RegistryError("a tariff version has fewer bands than a price of it names")
        codes[single] = np.array(self._bands, np.int32).take(first + place)
        return codes


class Registry:
    """The registries of all sites and the vocabularies they share."""

    def __init__(self) -> None:
        self.words = Vocabularies()
        self._sites: dict[str, SiteRegistry] = {}

    def site(self, name: str) -> SiteRegistry:
        """A site's registry, empty if nothing of it was seen."""
        site = self._sites.get(name)
        if site is None:
            site = self._sites[name] = SiteRegistry(name, self.words)
        return site

    def take(
        self,
        site: str,
        *,
        accounts: Iterable[AccountOpened],
        meters: Iterable[MeterInstalled],
        versions: Iterable[VersionTaken],
    ) -> None:
        """Take the registry rows of a posting."""
        registry = self.site(site)
        try:
            for account in accounts:
                registry.add_account(account.number, account=account.account)
            for meter in meters:
                registry.add_meter(meter.number, meter=meter.meter, gateway=meter.gateway, kind=meter.kind)
            for version in versions:
                registry.add_version(version.number, tariff=version.tariff, bands=version.bands)
        except RegistryError as error:
            raise RegistryError(f"site {site}: {error}") from error
