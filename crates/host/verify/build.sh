#!/bin/sh
# Builds the guest programs of `anyarch verify` from guest.c with Debian's cross compilers into bin/. The results are
# committed; building them again with the same compilers gives the same bytes.
set -e
cd "$(dirname "$0")"
mkdir -p bin
build() {
    name=$1; compiler=$2; shift 2
    command -v "$compiler" >/dev/null || { echo "$name: no $compiler, left as it is"; return; }
    "$compiler" -O1 -ffreestanding -nostdlib -static -fno-pic -no-pie -fno-stack-protector -fno-asynchronous-unwind-tables \
        -fno-builtin -Wall -Werror -Wl,-e,_start -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-z,noseparate-code -s "$@" guest.c -o "bin/$name"
    "${compiler%gcc}strip" --strip-all -R .comment -R .note.GNU-stack "bin/$name"
}
build x86_64 x86_64-linux-gnu-gcc
build i386 i686-linux-gnu-gcc -march=i686
build aarch64 aarch64-linux-gnu-gcc -mno-outline-atomics
build armv7 arm-linux-gnueabihf-gcc -marm -march=armv7-a+fp
build armv6 arm-linux-gnueabihf-gcc -marm -march=armv6+fp
build armv5 arm-linux-gnueabihf-gcc -marm -march=armv5te -mfloat-abi=soft
build riscv64 riscv64-linux-gnu-gcc
build ppc64le powerpc64le-linux-gnu-gcc -mcpu=power8 -mno-pcrel
build s390x s390x-linux-gnu-gcc -march=z196
build mips64el mips64el-linux-gnuabi64-gcc -march=mips64r2 -mabi=64 -mno-abicalls
