"""For `scripts/bench generate`: Locust's FastHttpUser, signing as its users do, with botocore."""

from __future__ import annotations

import itertools
import json
import os

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from locust import FastHttpUser, constant, task

ARN = os.environ["BENCH_ARN"]
SIGNED = bool(os.environ["BENCH_SIGNED"])
SIGNER = SigV4Auth(Credentials("bench", "bench"), "personalize", "us-east-1")
NUMBERS = itertools.count()


class User(FastHttpUser):
    """Calls again and again."""

    wait_time = constant(0)

    @task
    def recommend(self) -> None:
        """Ask for one user's recommendations."""
        user = f"user-{next(NUMBERS) % 10_000:08}"
        body = json.dumps({"campaignArn": ARN, "userId": user})
        headers = {"Content-Type": "application/json"}
        if SIGNED:
            request = AWSRequest("POST", f"{self.host}/recommendations", headers, body)
            SIGNER.add_auth(request)
            headers = dict(request.headers)
        self.client.post("/recommendations", data=body, headers=headers, name="recommend")
