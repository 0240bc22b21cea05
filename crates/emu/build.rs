//! Link arguments of the emulator's executable: no C start files or libraries, not
//! position-independent, at a fixed address far from everything a guest asks for.

/// Where the image goes on a host: `anyarch_sys::arch::EMU_START` of that host.
const PLACES: &[(&str, &str)] = &[("x86_64", "0x700000000000"), ("aarch64", "0x600000000000")];

fn main() {
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let Some((_, base)) = PLACES.iter().find(|place| place.0 == arch) else {
        println!("cargo:error=no host {arch}: crates/sys/src/arch and this file name those that there are");
        return;
    };
    let base = format!("-Wl,--image-base={base}");
    for arg in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        &base,
        "-Wl,-z,noexecstack",
        "-Wl,--build-id=sha1",
        "-Wl,--gc-sections",
    ] {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
