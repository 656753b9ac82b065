"""Run numcrc on other CPUs, which QEMU emulates.

QEMU raises the signal of an illegal instruction for most of what a CPU lacks. A row has three
steps, since compiling under emulation takes minutes: under it, print the target that numcrc sees;
natively, compile for that target into one cache folder, which all CPUs share; under it, run the
cases by the objects in the folder. That those need no Numba shows that the keys agree.

Other rows compile wholly under emulation, and compare the object with the one made natively; find a
read-only cache of CPUs with AVX-512; use one folder at once; or have settings of Numba.
"""
