"""How exceptions of serving, records and the classifier are answered: one table; the engine's say it themselves."""

from app.classifier.errors import (
    DamagedImageError,
    ModelFileError,
    NotAnImageError,
    SeveralFramesError,
    TooManyPartsError,
    TooManyPixelsError,
    UnsupportedModeError,
    WrongSizeError,
)
from app.engine.problems import Kind, Problems
from app.records.errors import (
    LabelsError,
    NewerRecordsError,
    NothingToReviewError,
    RecordsUnavailableError,
    TooManyLabelsError,
    UnknownLabelError,
)
from app.rollout.errors import (
    BusyError,
    NoChallengerError,
    NoPreviousError,
    UnfitChallengerError,
    UnprovenError,
    UnwritableError,
)
from app.serving.errors import (
    NoSuchLabelError,
    NoSuchModelError,
    NotReadyError,
    TooManyImagesError,
    UncalibratedModelError,
)

__all__ = ["PROBLEMS"]

PROBLEMS = Problems(
    "softmax-serving",
    {
        NoSuchModelError: Kind(404, "No such model"),
        LabelsError: Kind(400, "Unreadable labels"),
        NothingToReviewError: Kind(409, "Nothing to review"),
        TooManyLabelsError: Kind(413, "Too many labels"),
        TooManyImagesError: Kind(413, "Too many images"),
        TooManyPixelsError: Kind(413, "Too many pixels"),
        NotAnImageError: Kind(415, "Not an image"),
        DamagedImageError: Kind(422, "Damaged image"),
        NoSuchLabelError: Kind(422, "No such label"),
        SeveralFramesError: Kind(422, "Several frames"),
        TooManyPartsError: Kind(422, "Too many parts"),
        UncalibratedModelError: Kind(422, "Uncalibrated model"),
        UnsupportedModeError: Kind(422, "Unsupported pixels"),
        UnknownLabelError: Kind(422, "No such label"),
        WrongSizeError: Kind(422, "Wrong image size", "Send that size, or ask for resize=true."),
        BusyError: Kind(409, "Busy"),
        ModelFileError: Kind(409, "Unfit model file"),
        NoChallengerError: Kind(409, "No challenger"),
        NoPreviousError: Kind(409, "No previous version"),
        UnfitChallengerError: Kind(409, "Unfit challenger"),
        UnprovenError: Kind(409, "Not proven", "Ask for force=true to promote it all the same."),
        UnwritableError: Kind(409, "Unwritable folder"),
        NewerRecordsError: Kind(503, "Records unavailable"),
        RecordsUnavailableError: Kind(503, "Records unavailable"),
        NotReadyError: Kind(503, "Not ready"),
    },
    detail_members={"/v2/": "error"},  # where the Open Inference Protocol has it
)
