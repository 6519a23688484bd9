"""Where the files of a model lie under the models folder, and what each is there for."""

from pathlib import Path
from typing import Literal, NamedTuple, get_args

from app.classifier.model_file import FILE_NAME

__all__ = ["ROLES", "UNLOADED", "Place", "Role"]

UNLOADED = ".unloaded"  # a file that keeps a model's folder from being served

Role = Literal["champion", "challenger", "previous"]
ROLES: tuple[Role, ...] = get_args(Role)  # in the order in which they are looked at


class Place(NamedTuple):
    """Where a model file lies, and so what it is there for."""

    model: str
    role: Role = "champion"

    def file(self, folder: Path) -> Path:
        """The model file, under the models folder."""
        return folder / self.model / ("" if self.role == "champion" else self.role) / FILE_NAME

    def __str__(self) -> str:
        return f"Model {self.model}" if self.role == "champion" else f"Model {self.model}, {self.role}"
