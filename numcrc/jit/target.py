"""Take the CPU's features from LLVM, less what the user's settings take away.

The features are those that LLVM reports for the host, as far as they form a closed set
(`numcrc.jit.features`). Numba's settings (``NUMBA_CPU_NAME``, ``NUMBA_CPU_FEATURES``,
``NUMBA_ENABLE_AVX`` or its config file) may take features away, never add one. LLVM aborts the
process when asked for an instruction that its target lacks, so every kernel keeps to the features
of its tier (`numcrc.jit.tiers`).
"""

from __future__ import annotations

import os

from numcrc._light import NamedTuple, cache
from numcrc.jit import detect, features
from numcrc.jit.tiers import CRC32_FEATURE, TABLE_TIER, TIERS, Tier
from numcrc.process import imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class TierError(RuntimeError):
    """``NUMCRC_TIER`` does not name a tier, or names one that this CPU cannot run."""


class NumbaSettingError(TierError):
    """One of Numba's settings that limit the tier is invalid."""


_NUMBA_SETTINGS = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX")
_NUMBA_CONFIG_FILE = ".numba_config.yaml"


class Target(NamedTuple):
    """A CPU that code is generated for."""

    triple: str
    cpu: str
    """LLVM's name of the CPU, by which code is tuned and plans are chosen."""
    usable: frozenset[str]
    """The features that code may use beyond the baseline, a closed set."""

    @property
    def arch(self) -> str:
        """The architecture as the keys of `TIERS` spell it."""
        arch = self.triple.partition("-")[0]
        return {"arm64": "aarch64", "amd64": "x86_64"}.get(arch, arch)

    @property
    def all_tiers(self) -> tuple[Tier, ...]:
        """The tiers of the architecture, the best last."""
        return TIERS.get(self.arch, (TABLE_TIER,))

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that this target can run, the best last."""
        return tuple(tier for tier in self.all_tiers if tier.needs <= self.usable)

    @property
    def crc32_instruction(self) -> bool:
        """Whether the CPU's own CRC-32 instructions may be used."""
        return CRC32_FEATURE.get(self.arch) in self.usable

    def lowered(self, tier: Tier) -> Target:
        """Return a CPU whose best tier is *tier*: this one, or else one of the first of that tier.

        It has only those features that this one has too.
        """
        if tier == self.tiers[-1]:
            return self
        usable = features.closed(self.arch, self.usable & (tier.needs | tier.generation))
        return self._replace(cpu=tier.cpu or features.BASELINE[self.arch], usable=usable)


@cache
def host() -> Target:
    """Return the CPU that this process makes code for: this one, or a lesser one.

    It is a lesser one if ``NUMCRC_TIER`` names another tier than the best.
    """
    return machine().lowered(best())


@cache
def machine() -> Target:
    """Return this machine, as far as Numba's settings allow."""
    detected = detect.cpu()
    listed = detected.features
    baseline = Target(detected.triple, detected.name, frozenset())
    whole = baseline._replace(usable=features.closed(baseline.arch, listed))
    settings = numba_settings()
    allowed = features.closed(baseline.arch, listed & allowed_features(settings, listed))
    found = baseline._replace(usable=allowed)
    if whole.tiers[-1] != TABLE_TIER and found.tiers[-1] == TABLE_TIER:
        shown = ", ".join(f"{name}={value}" for name, value in settings.items())
        imported("warnings").warn(
            f"{shown} leaves no features for the fast kernels: CRCs are computed by tables,"
            " many times slower",
            RuntimeWarning,
            stacklevel=2,
        )
    return found


def numba_settings() -> dict[str, str]:
    """Return the user's settings of Numba that affect code generation, by their variables.

    They are read as Numba reads them: from the environment, then from a file in the current
    folder if PyYAML is installed.
    """
    found = _from_config_file() | os.environ
    return {name: found[name] for name in _NUMBA_SETTINGS if name in found}


def _from_config_file() -> dict[str, str]:
    if not os.path.isfile(_NUMBA_CONFIG_FILE):  # a FIFO of that name would be waited for
        return {}
    try:
        yaml = imported("yaml")
    except ImportError:
        return {}
    try:
        with open(_NUMBA_CONFIG_FILE, "rb") as file:
            read = yaml.safe_load(file)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    if not isinstance(read, dict):
        return {}
    return {f"NUMBA_{str(name).upper()}": str(value) for name, value in read.items()}


def allowed_features(settings: dict[str, str], listed: Iterable[str]) -> set[str]:
    """Return the features that *settings* allow, of a CPU that lists those in *listed*.

    Raises
    ------
    NumbaSettingError
        ``NUMBA_CPU_FEATURES`` has an item without a sign, at which LLVM would abort.
    """
    text = settings.get("NUMBA_CPU_FEATURES")
    if text is None and settings.get("NUMBA_CPU_NAME", "").lower() == "generic":
        text = ""
    if text is None:
        off = settings.get("NUMBA_ENABLE_AVX", "").strip() == "0"
        return {name for name in listed if not (off and name.startswith("avx"))}
    on: set[str] = set()
    for item in filter(None, map(str.strip, text.split(","))):
        if item[0] not in "+-":
            raise NumbaSettingError(
                f"invalid NUMBA_CPU_FEATURES: {item!r} does not begin with '+' or '-'"
            )
        (on.add if item[0] == "+" else on.discard)(item[1:])
    return on


@cache
def best() -> Tier:
    """Return the tier in use: the best one, or the one that ``NUMCRC_TIER`` names."""
    wanted = os.environ.get("NUMCRC_TIER")
    return tier(wanted) if wanted else machine().tiers[-1]


def tier(name: str) -> Tier:
    """Return the tier of this *name*, or the best of this width ("128"), or raise `TierError`."""
    known = machine().all_tiers
    wanted = {name} | {t.name for t in known if t.bits and str(t.bits) == name}
    runnable = [t for t in machine().tiers if t.name in wanted]
    if runnable:
        return runnable[-1]
    for refused in known:
        if refused.name in wanted:
            missing = " ".join(sorted(refused.needs - machine().usable))
            raise TierError(
                f"cannot run tier {refused.name!r}: missing features: {missing}"
                f" (the best tier here is {machine().tiers[-1].name!r})"
            )
    names = ", ".join(t.name for t in known)
    raise TierError(f"invalid tier: {name[:80]!r}; expected one of {names}")
