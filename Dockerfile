# Everything cotsieve needs, Snakemake too; a study and its results lie in the mounted /work:
#   docker build -t cotsieve .
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -v "$PWD:/work" cotsieve \
#       --cores 8 --configfile mine.yaml
FROM python:3.11-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git rsync \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/cotsieve
# First what changes rarely: PyTorch with CUDA is large.
COPY requirements.lock .
RUN pip install --no-cache-dir --requirement requirements.lock
COPY Snakefile .
COPY config config
COPY cotsieve cotsieve
COPY envs envs
COPY profiles profiles
COPY resources resources
COPY workflow workflow
# Snakemake wants a name and a writable home, which --user does not give. What comes from a hub is
# kept beside the study, not lost with the container.
ENV HOME=/tmp USER=cotsieve HF_HOME=/work/.cotsieve/huggingface
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/opt/cotsieve/Snakefile"]
