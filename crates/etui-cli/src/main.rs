//! The `etui` command.

fn main() -> std::process::ExitCode {
    etui_cli::run(std::env::args_os())
}
