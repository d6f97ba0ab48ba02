"""Judge pipelines as the field does: datasets, protocols and candidates from one TOML file."""

from sklearn_diffake.benchmark._config import read_config
from sklearn_diffake.benchmark._plan import Plan, plan_benchmark
from sklearn_diffake.benchmark._run import BenchmarkResult, run_benchmark
from sklearn_diffake.benchmark._settings import Config
from sklearn_diffake.benchmark._toml import ConfigError

__all__ = [
    "BenchmarkResult",
    "Config",
    "ConfigError",
    "Plan",
    "plan_benchmark",
    "read_config",
    "run_benchmark",
]
