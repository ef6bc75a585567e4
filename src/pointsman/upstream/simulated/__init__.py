"""The simulated zoo, shipped with the product: eight models and a judge behind real HTTP, for the demo and the tests.

tasks     families of tasks with checkable answers, written from a seed and solved from their text alone
features  what a company would use models for: mixes of tasks, each with a prompt and a check
models    the eight: price, skills, manner, pace
reply     what a model says to a text, and how many tokens that is
judge     a judge of pairs that errs at a stated rate and with a stated bias
shapes    JSON of a shape that is asked for, for tools and schemas
faults    ways to fail, on demand
dialect   OpenAI's Chat Completions, from the server's side
zoo       one function from request to reply; the truth for offline comparison
server    the ASGI application, and uvicorn on a loopback port
setup     a complete configuration for the zoo

Law: whatever comes from here says that it is simulated, in the model's name, a header and the reply's fingerprint.
"""

from pointsman.upstream.simulated.faults import Fault
from pointsman.upstream.simulated.features import Feature, features
from pointsman.upstream.simulated.judge import JudgeTraits
from pointsman.upstream.simulated.models import JUDGE, Model, Plain, models
from pointsman.upstream.simulated.server import ZooApp, running, serving
from pointsman.upstream.simulated.setup import config_toml
from pointsman.upstream.simulated.tasks import Solution, Task, generate, solve
from pointsman.upstream.simulated.zoo import Truth, Zoo

__all__ = [
    "JUDGE",
    "Fault",
    "Feature",
    "JudgeTraits",
    "Model",
    "Plain",
    "Solution",
    "Task",
    "Truth",
    "Zoo",
    "ZooApp",
    "config_toml",
    "features",
    "generate",
    "models",
    "running",
    "serving",
    "solve",
]
