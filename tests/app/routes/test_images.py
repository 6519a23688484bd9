"""What a body with images may cost."""

import pytest

from app.engine.routes import DirectRoute
from app.main import create_app
from app.routes.images import ManyImagesRoute, OneImageRoute
from app.settings import Settings


@pytest.mark.parametrize("query", [b"resize=true", b"%72esize=true", b"invert=1&r%65size=1"])
@pytest.mark.parametrize("route", [OneImageRoute, ManyImagesRoute])
def test_what_may_be_scaled_down_from_any_size_is_heavy(
    settings: Settings, route: type[DirectRoute], query: bytes
) -> None:
    call = create_app(settings).dispatcher.call("/predict", query, {})

    assert not route.is_light(call, 100, {})
