#!/bin/sh
# Builds the guest programs of `anyarch verify` from guest.c with Debian's cross compilers into bin/. The results are
# committed; building them again with the same compilers gives the same bytes.
set -e
cd "$(dirname "$0")"
mkdir -p bin
build() {
    name=$1 prefix=$2 compiler=$2gcc
    shift 2
    # loong64's compiler came with Debian 13, as gcc-14 only.
    command -v "$compiler" >/dev/null || compiler=${prefix}gcc-14
    command -v "$compiler" >/dev/null || { echo "$name: no $compiler, left as it is"; return; }
    "$compiler" -O1 -ffreestanding -nostdlib -static -fno-pic -no-pie -fno-stack-protector -fno-asynchronous-unwind-tables \
        -fno-builtin -Wall -Werror -Wl,-e,_start -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-z,noseparate-code -s "$@" guest.c -o "bin/$name"
    "${prefix}strip" --strip-all -R .comment -R .note.GNU-stack "bin/$name"
}
build x86_64 x86_64-linux-gnu-
build i386 i686-linux-gnu- -march=i686
build aarch64 aarch64-linux-gnu- -mno-outline-atomics
build armv7 arm-linux-gnueabihf- -marm -march=armv7-a+fp
build armv6 arm-linux-gnueabihf- -marm -march=armv6+fp
build armv5 arm-linux-gnueabihf- -marm -march=armv5te -mfloat-abi=soft
build riscv64 riscv64-linux-gnu-
build ppc64le powerpc64le-linux-gnu- -mcpu=power8 -mno-pcrel
build s390x s390x-linux-gnu- -march=z196
build mips64el mips64el-linux-gnuabi64- -march=mips64r2 -mabi=64 -mno-abicalls
build loongarch64 loongarch64-linux-gnu-
