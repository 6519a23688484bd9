# Serves the models in models/ on port 8000, as a user without rights, from a file system that may be read-only.
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim AS environment
# PyTorch's CPU builds; empty: torch from wherever pip finds it. TORCH_VERSION replaces the one in constraints.txt.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
ARG TORCH_VERSION=
WORKDIR /build
COPY pyproject.toml constraints.txt ./
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
# The dependencies before the code, so that a change of code leaves this layer cached.
RUN if [ -n "$TORCH_VERSION" ]; then sed -i "s/^torch==.*/torch==$TORCH_VERSION/" constraints.txt; fi \
 && if [ -n "$TORCH_INDEX_URL" ]; then \
      pip install --no-cache-dir --constraint constraints.txt --no-deps --index-url "$TORCH_INDEX_URL" torch; \
    fi \
 && python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
      > requirements.txt \
 && pip install --no-cache-dir --constraint constraints.txt --requirement requirements.txt

FROM python:${PYTHON_VERSION}-slim AS service
LABEL org.opencontainers.image.title="softmax-serving" \
      org.opencontainers.image.description="Class probabilities of 28×28 images, by softmax regression, over HTTP" \
      org.opencontainers.image.licenses="MIT"
RUN useradd --system --uid 10001 --no-create-home service
COPY --from=environment /opt/venv /opt/venv
WORKDIR /srv
COPY app app
COPY models models
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 SOFTMAX_HOST=0.0.0.0
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('SOFTMAX_PORT', 8000)}/readyz\")"]
ENTRYPOINT ["python", "-m", "app"]
