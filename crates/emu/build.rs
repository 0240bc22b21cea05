//! Link arguments of the emulator's executable: no C start files or libraries, not position-independent, at a fixed
//! address far from everything a guest asks for.
fn main() {
    for arg in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--image-base=0x700000000000",
        "-Wl,-z,noexecstack",
        "-Wl,--build-id=sha1",
        "-Wl,--gc-sections",
    ] {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
