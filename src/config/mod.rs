//! One TOML file, validated; unknown keys are errors.
