# What a contributor runs. `just ci` is what the continuous integration runs.

# List the recipes
default:
    @just --list

# Format the code
fmt:
    cargo fmt

# Lint as strictly as the integration does
lint:
    cargo fmt --check
    cargo clippy --locked --all-targets --all-features -- -D warnings

# Run all tests; servers that are not installed are skipped, loudly
test *ARGUMENTS:
    cargo test --locked {{ ARGUMENTS }}

# Show the main job on a WebDAV server of its own
demo *ARGUMENTS:
    cargo run --locked --release -- demo {{ ARGUMENTS }}

# Measure the hot paths
bench *ARGUMENTS:
    cargo bench --locked {{ ARGUMENTS }}

# Measure filbert beside other backup programs and the machine's limits (see benches/peers/README.md)
peers *ARGUMENTS:
    benches/peers/run.py {{ ARGUMENTS }}

# Measure how filbert grows with files and bytes
grow *ARGUMENTS:
    benches/peers/grow.py {{ ARGUMENTS }}

# Write the golden repository of a new format version (see CONTRIBUTING.md)
fixtures:
    cargo run --locked --example make_fixture

# Check licences, advisories and sources of the dependencies
deny:
    cargo deny check

# Everything that the integration does
ci:
    .ci/run
