"""Find the CPU features that the instructions of an assembly need.

Mnemonics are classified by the manuals of the architectures, apart from LLVM, whose use of them is
what is tested. One that is not in the tables counts as a feature of its own, which no CPU has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator


def _any(text: str) -> re.Pattern[str]:
    return re.compile("|".join(text.split()))


# x86-64, in the syntax of AT&T. The baseline is x86-64-v1, to SSE2.

_GENERAL = _any(
    "(mov|movabs|lea|add|sub|adc|sbb|and|or|xor|not|neg|inc|dec|cmp|test)[bwlq]?"
    " (shl|shr|sar|sal|rol|ror|rcl|rcr|shld|shrd|mul|imul|div|idiv|push|pop|bswap|xchg)[bwlq]?"
    " (bt|bts|btr|btc|bsf|bsr|xadd|cmpxchg|call|ret|stos|movs)[bwlq]? mov[sz][bwl][wlq]"
    " cqto cltq cltd cwtl jmpq? j[a-z]+ set[a-z]+ cmov[a-z]+ nop[wl]? ud2 int3 [lms]fence"
    " prefetch(t[012]|nta) lock rep leave pause"
)
_BYTES_AND_WORDS = (
    "p(add|sub)u?s?[bw]|pmul[lh]u?w|pmaddwd|ps[lr]lw|psraw|ps[lr]ldq|pshuf[hl]w|punpck[lh](bw|wd)"
    "|packss(wb|dw)|packuswb|pcmp(eq|gt)[bw]|p(max|min)(ub|sw)|pavg[bw]|psadbw"
)
_SSE2_INTEGERS = (
    f"{_BYTES_AND_WORDS}|p(and|andn|or|xor)|p(add|sub)[dq]|pmuludq|ps[lr]l[dq]|psrad|pshufd"
    "|punpck[lh](dq|qdq)|pcmp(eq|gt)d"
)
_SSE2_OTHERS = (
    "mov[au]p[sd]|movdq[au]|mov[dq]|movs[sd]|mov[hl]p[sd]|mov(hl|lh)ps|movnt(dq|p[sd])|movmskp[sd]"
    "|pmovmskb|pinsrw|pextrw|shufp[sd]|unpck[lh]p[sd]|(and|andn|or|xor)p[sd]"
)
_SSE3 = "movddup|movs[hl]dup|lddqu"
_SSSE3 = "pshufb|palignr|pabs[bwd]|psign[bwd]|phadd(w|d|sw)|pmaddubsw|pmulhrsw"
_SSE41_INTEGERS = (
    "pmov[sz]x(bw|bd|bq|wd|wq|dq)|pblendvb|pblendw|pmulld|pmuldq|pcmpeqq|packusdw"
    "|p(max|min)(sb|sd|ud|uw)|movntdqa|mpsadbw"
)
_SSE41_OTHERS = "pinsr[bdq]|pextr[bdq]|ptest|blendv?p[sd]|extractps|insertps"

# By feature, the instructions that have a legacy encoding and, with a "v" in front, a VEX one.
_SSE = {
    "": f"{_SSE2_INTEGERS}|{_SSE2_OTHERS}",
    "sse3": _SSE3,
    "ssse3": _SSSE3,
    "sse4.1": f"{_SSE41_INTEGERS}|{_SSE41_OTHERS}",
    "sse4.2": "pcmpgtq",
    "pclmul": "pclmulqdq",
    "gfni": "gf2p8(affine|affineinv)qb|gf2p8mulb",
}
# These need AVX2 for registers of 256 bits, the others AVX.
_INTEGERS = f"{_SSE2_INTEGERS}|{_SSSE3}|{_SSE41_INTEGERS}|pcmpgtq|pmovmskb"
# Encoded for AVX-512, these need more than AVX512F.
_WITH_BW = f"{_BYTES_AND_WORDS}|pshufb|palignr|pabs[bw]|pmaddubsw|pmulhrsw|pmov[sz]xbw|packusdw"
_WITH_BW += "|p(max|min)(sb|uw)|pinsr[bw]|pextr[bw]|pbroadcast[bw]"
_WITH_DQ = "(and|andn|or|xor)p[sd]|pinsr[dq]|pextr[dq]"
_SCALAR = "mov[dq]|movs[sd]|pinsr[bwdq]|pextr[bwdq]|insertps|extractps"

_X86_64 = {
    "crc32": "crc32[bwlq]",
    "popcnt": "popcnt[wlq]?",
    "lzcnt": "lzcnt[wlq]?",
    "movbe": "movbe[wlq]?",
    "bmi": "(tzcnt|andn|bextr|blsi|blsr|blsmsk)[wlq]?",
    "bmi2": "(bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx)[lq]?",
    "avx": "vzeroupper vperm2f128 v(insert|extract)f128 vbroadcast(f128|s[sd]) vpermilp[sd]",
    "avx2": (
        "vbroadcasti128 vperm2i128 v(insert|extract)i128 vpbroadcast[bwdq] vperm[dq]"
        " vpermp[sd] vps[lr]lv[dq] vpsravd vpblendd vpmaskmov[dq]"
    ),
    "fma": "vfn?m(add|sub)(132|213|231)[ps][sd]",
    "f16c": "vcvtph2ps vcvtps2ph",
}
_AVX512 = {
    "avx512f": (
        "vmovdq[au](32|64) vpternlog[dq] vp(and|andn|or|xor)[dq] vperm[it]2([dq]|p[sd])"
        " valign[dq] vshuf[fi](32x4|64x2) v(insert|extract|broadcast)[fi](32x4|64x4)"
        " vpsrav?q vpro[lr]v?[dq] vpcmpu?[dq] vpcmp(eq|neq|lt|le|nlt|nle)u?[dq] vptestn?m[dq]"
        " vpmov(qd|qw|qb|dw|db) vp(compress|expand)[dq] vpblendm[dq] vp(max|min)[su]q vpabsq"
        " kmovw k(and|andn|or|xor|xnor|not|ortest|shiftl|shiftr)w kunpckbw"
    ),
    "avx512bw": (
        "vmovdqu(8|16) vpermw vperm[it]2w vptestn?m[bw] vpcmpu?[bw]"
        " vpcmp(eq|neq|lt|le|nlt|nle)u?[bw] vps[lr]lvw vpblendm[bw] vpmovwb vpmov[bw]2m vpmovm2[bw]"
        " kmov[dq] k(and|andn|or|xor|xnor|not|ortest|test|add|shiftl|shiftr)[dq] kunpck(wd|dq)"
    ),
    "avx512dq": (
        "v(insert|extract|broadcast)[fi](64x2|32x8|32x2) vpmullq vpmov[dq]2m vpmovm2[dq]"
        " kmovb k(and|andn|or|xor|xnor|not|ortest|test|add|shiftl|shiftr)b k(test|add)w"
    ),
    "avx512cd": "vpconflict[dq] vplzcnt[dq] vpbroadcastm(b2q|w2d)",
    "avx512vbmi": "vpermb vperm[it]2b vpmultishiftqb",
    "avx512vbmi2": "vp(compress|expand)[bw] vpsh[lr]dv?[wdq]",
    "avx512bitalg": "vpopcnt[bw] vpshufbitqmb",
    "avx512vpopcntdq": "vpopcnt[dq]",
    "avx512ifma": "vpmadd52[lh]uq",
    "avx512vnni": "vpdp(bu|ws)sds?",
}

# AArch64: the baseline is Armv8.0-A with NEON.
_A64 = _any(
    "adrp? adds? subs? ands? bics? orr orn eor eon mov[knz]? mvn negs? lsl lsr asr ror extr"
    " [us]bfx [us]bfiz bfi bfxil [us]xt[bhw] cmp cmn tst ccmp ccmn csel csetm? cinc cinv cneg"
    " csinc csinv csneg madd msub mul mneg [us]mull [us]mulh [us]div rbit rev(16|32|64)? clz cls"
    " ldu?rs?[bhw]? ldp ldpsw stu?r[bh]? stp ld(a|x|ax)r[bh]? st(l|x|lx)r[bh]? clrex dmb"
    " prf(m|um) b b[.][a-z]+ blr? br ret cbn?z tbn?z nop brk"
    # NEON
    " fmov dup ins [us]mov ext tb[lx] movi mvni (zip|uzp|trn)[12] [us]shl [us]shr [us]shll2?"
    " [us]sra sli sri shll? shrn2? xtn2? [us]xtl2? addv addp cnt cm(eq|tst|hi|hs|ge|gt|le|lt)"
    " bsl bit bif ld[1-4]r? st[1-4] pmul [us](max|min)[pv]? [us]addlv? [us]addl2? [us]addlp"
    " sha?dd mla mls"
)
_A64_OTHERS = {
    "crc": "crc32c?[bhwx]",
    "aes": "aese aesd aesmc aesimc",
    "sha2": "sha(1|256)[a-z0-9]+",
    "sha3": "eor3 bcax rax1 xar sha512[a-z0-9]+",
    "lse": (
        "(ldadd|ldclr|ldeor|ldset|ld[su]max|ld[su]min|swp|casp?)(a|l|al)?[bh]?"
        " st(add|clr|eor|set|[su]max|[su]min)l?[bh]?"
    ),
}

_FIXED = {
    "x86_64": {name: _any(found) for name, found in _X86_64.items()},
    "aarch64": {name: _any(found) for name, found in _A64_OTHERS.items()},
}
_EVEX_ONLY = {name: _any(found) for name, found in _AVX512.items()}


def instructions(assembly: str) -> Iterator[tuple[str, str]]:
    """Yield the mnemonic and the operands of each instruction."""
    for line in assembly.splitlines():
        code = re.split(r"#|//|;", line)[0].strip()
        if code and code[0] not in ".{" and not re.match(r'[\w.$"]+:', code):
            mnemonic, *operands = code.split(None, 1)
            yield mnemonic, operands[0] if operands else ""


def needed(arch: str, mnemonic: str, operands: str) -> set[str]:
    """Return the features beyond the baseline that an instruction needs."""
    if arch == "aarch64":
        return _needed_a64(mnemonic, operands)
    if mnemonic[0] in "vk":
        return _needed_vex(mnemonic, operands)
    for feature, names in _SSE.items():
        if re.fullmatch(names, mnemonic):
            return {feature} - {""}
    if _GENERAL.fullmatch(mnemonic):
        return set()
    return _listed(_FIXED[arch], mnemonic)


def _listed(known: dict[str, re.Pattern[str]], mnemonic: str) -> set[str]:
    found = {feature for feature, names in known.items() if names.fullmatch(mnemonic)}
    return found or {f"of {mnemonic}"}


def _needed_a64(mnemonic: str, operands: str) -> set[str]:
    if re.search(r"\b[zp]\d+[./]", operands):
        return {"sve"}
    if mnemonic in ("pmull", "pmull2"):
        return {"aes"} if ".1q" in operands else set()
    return set() if _A64.fullmatch(mnemonic) else _listed(_FIXED["aarch64"], mnemonic)


def _needed_vex(mnemonic: str, operands: str) -> set[str]:
    base = mnemonic[1:]
    only = {feature for feature, names in _EVEX_ONLY.items() if names.fullmatch(mnemonic)}
    legacy = {feature for feature, names in _SSE.items() if re.fullmatch(names, base)}
    if re.search(r"%zmm|%k\d|\{1to|%[xy]mm(1[6-9]|2\d|3[01])\b", operands):
        pass
    elif mnemonic == "vpbroadcast" + mnemonic[-1] and re.match(r"%[er]", operands):
        pass  # from a general register
    elif not only or legacy or re.search(r"^vpcmp(eq|gt)", mnemonic):
        return _needed_by_vex(mnemonic, operands, legacy)
    found = {"avx512f"} | only
    if not only:
        found |= legacy & {"gfni"} | _listed_as_avx512(mnemonic, legacy)
    if base == "pclmulqdq":
        found |= {"vpclmulqdq"}
    wide = "%zmm" in operands or mnemonic[0] == "k" or re.fullmatch(_SCALAR, base)
    return found if wide else found | {"avx512vl"}


def _listed_as_avx512(mnemonic: str, legacy: set[str]) -> set[str]:
    base = mnemonic[1:]
    if re.fullmatch(_WITH_BW, base):
        return {"avx512bw"}
    if re.fullmatch(_WITH_DQ, base):
        return {"avx512dq"}
    known = legacy or any(
        _FIXED["x86_64"][feature].fullmatch(mnemonic) for feature in ("avx", "avx2", "fma")
    )
    return set() if known else {f"of {mnemonic}"}


def _needed_by_vex(mnemonic: str, operands: str, legacy: set[str]) -> set[str]:
    base = mnemonic[1:]
    if base == "pclmulqdq" and "%ymm" in operands:
        return {"avx", "vpclmulqdq"}
    if not legacy:
        found = _listed(_FIXED["x86_64"], mnemonic)
        # From a register, these came with AVX2.
        later = re.fullmatch("vbroadcasts[sd]", mnemonic) and operands.startswith("%")
        return found | {"avx2"} if later else found
    wide = "%ymm" in operands and re.fullmatch(_INTEGERS, base)
    return {"avx2" if wide else "avx"} | legacy & {"gfni", "pclmul"}
