//! The project's own commands: `cargo xtask NAME`.

mod chaos;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_first() {
        Some((name, rest)) if name == "chaos" => chaos::run(rest),
        _ => anyhow::bail!("usage: cargo xtask chaos --kills N --seed S [--fault NAME | --all-faults]"),
    }
}
