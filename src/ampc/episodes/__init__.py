"""The closed loop, its record, its parallel collection, and demonstrations on disk."""

from ampc.episodes.dataset import Dataset
from ampc.episodes.episode import Episode
from ampc.episodes.storage import DatasetWriter
from ampc.episodes.summary import summarise

__all__ = ["Dataset", "DatasetWriter", "Episode", "summarise"]
