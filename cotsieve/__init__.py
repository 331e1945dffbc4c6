"""cotsieve: find the problems a model solves only through its chain of thought."""


def open(folder):
    """The results of a study, results/<study>, as tables and single problems (docs/notebook.md)."""
    from cotsieve.notebook.opened import OpenStudy

    return OpenStudy(folder)
