"""Beside other search tools: Optuna with goodfit's sampler, goodfit with Optuna's storage and sampler."""
