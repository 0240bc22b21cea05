//! The executable `anyarch`; everything is in the library beside it.

fn main() -> std::process::ExitCode {
    anyarch_tool::main()
}
