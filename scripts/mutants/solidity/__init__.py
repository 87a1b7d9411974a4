"""The engine for Solidity: operators on the compiler's syntax trees, all mutants in one build, forge's tests."""
