"""What jobs ask for. Time and memory grow with every attempt; profiles set what a site decides."""

from cotsieve.study.settings.places import located

# A study that is told to run on CPUs asks for no GPU.
GPUS = 0 if study.engine.device == "cpu" else 1


def main_memory(model):
    """Megabytes of main memory to load a model: its files, and each weight in float32 once more.

    The size of what comes from a hub is not known when jobs are planned.
    """
    places = [located(spec) for spec, _, _ in model_places(model).values()]
    if not all(place.exists() for place in places):
        return 24_000
    files = [file for place in places for file in [place, *place.rglob("*")]]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return 4_000 + 4 * size // 1_000_000


MAIN_MEMORY = {name: main_memory(study.models[name]) for name in COMPUTED}


def memory_with_model(wildcards, attempt):
    return attempt * MAIN_MEMORY[wildcards.model]


def minutes_with_model(wildcards, attempt):
    """A shard's time. What a job finished before it was stopped is kept, so little is lost."""
    return attempt * 120
