"""Reads a corpus from the emulators that others test their clients against: moto's server (S3) and Azurite (Azure).

    emulators.py MIXMAKE AZURITE-BLOB FOLDER

Both listen on this machine's own address alone. Needs `moto[server]` and `azure-storage-blob` in the Python that runs
it. Ends with an error unless every domain has the same digest as the file that is here, a second run asks nobody, and
`--offline` works when the emulators are gone.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import boto3
from azure.storage.blob import BlobServiceClient

# Azurite's published account.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
MANIFEST = """
[corpus]
min-chars = 10
block-chars = 100
held-out = 4
[domain.here]
files = "here.jsonl"
[domain.s3]
files = "s3://bucket/data/**/a ?.jsonl"
[domain.az]
files = "az://container/data/**/a ?.jsonl"
[tokenizer]
train = "bpe"
vocabulary = 300
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(command, port):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{command[0]} does not start")


def fill_s3(url, objects):
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    client.create_bucket(Bucket="bucket")
    for key, content in objects.items():
        client.put_object(Bucket="bucket", Key=key, Body=content)


def fill_azure(url, objects):
    connection = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={url}/{ACCOUNT};"
    container = BlobServiceClient.from_connection_string(connection).create_container("container")
    for key, content in objects.items():
        container.upload_blob(key, content)


def main(mixmake, azurite, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    lines = [json.dumps({"text": f"document {n} " + " ".join(str(n * k) for k in range(40))}) for n in range(500)]
    content = "\n".join(lines).encode() + b"\n"
    (folder / "here.jsonl").write_bytes(content)
    (folder / "mixmake.toml").write_text(MANIFEST)
    # More keys than a page of a listing has.
    objects = {"data/x/a 1.jsonl": content, **{f"data/x/other-{n:04}": b"-" for n in range(1500)}}
    s3, az = free_port(), free_port()
    moto = pathlib.Path(sys.executable).with_name("moto_server")
    servers = [
        start([moto, "-H", "127.0.0.1", "-p", str(s3)], s3),
        start([azurite, "--silent", "--skipApiVersionCheck", "--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", str(az)], az),
    ]
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
        "AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{az}", "AZURE_ALLOW_HTTP": "true",
    }

    def run(*arguments):
        command = [str(pathlib.Path(mixmake).resolve()), *arguments]
        return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stderr

    try:
        fill_s3(f"http://127.0.0.1:{s3}", objects)
        fill_azure(f"http://127.0.0.1:{az}", objects)
        print(run("run", "documents/**"))
    except subprocess.CalledProcessError as error:
        raise SystemExit(error.stderr)
    finally:
        for server in servers:
            server.kill()
            server.wait()
    assert "nothing to do" in run("run", "documents/**"), "a second run asks nobody"
    assert "nothing to do" in run("run", "--offline", "documents/**")
    lock = [line.split(" ", 2) for line in (folder / "mixmake.lock").read_text().splitlines() if line[0] != "#"]
    keys = {name: value for kind, value, name in lock if kind == "key" and name.startswith("documents/")}
    assert len(keys) == 3 and len(set(keys.values())) == 1, keys
    print(f"{len(keys)} domains, one key: {keys['documents/here']}")


main(*sys.argv[1:])
