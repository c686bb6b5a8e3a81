"""List prices of us-east-1, on demand, without free tiers and discounts, and what is billed in what steps."""

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Price:
    dollars: float
    per: float
    unit: str
    source: str

    def of(self, amount: float) -> float:
        """Dollars."""
        return amount / self.per * self.dollars


AS_OF = "2026-11-23"
"""When the prices were looked up, in copies of what `source` names: look there before you rely on them. Those
of containers and their load balancer five days later.
"""

MILLION = 1_000_000
READ = Price(0.125, MILLION, "read request unit", "aws.amazon.com/dynamodb/pricing/on-demand")
WRITE = Price(0.625, MILLION, "write request unit", "aws.amazon.com/dynamodb/pricing/on-demand")
INVOCATION = Price(0.20, MILLION, "request", "aws.amazon.com/lambda/pricing")
COMPUTE = Price(0.0000166667, 1, "GB-second on x86", "aws.amazon.com/lambda/pricing")
GATEWAY = Price(1.00, MILLION, "HTTP API request", "aws.amazon.com/api-gateway/pricing")
LOG = Price(0.50, 1e9, "byte ingested", "aws.amazon.com/cloudwatch/pricing")
STORAGE = Price(0.25, 1e9, "byte and month", "aws.amazon.com/dynamodb/pricing/on-demand")
BACKUP = Price(
    0.20, 1e9, "byte and month, point-in-time recovery", "aws.amazon.com/dynamodb/pricing/on-demand"
)
PROCESSOR = Price(0.04048, 1, "vCPU-hour of a container on x86", "aws.amazon.com/fargate/pricing")
MEMORY = Price(0.004445, 1, "GB-hour of a container on x86", "aws.amazon.com/fargate/pricing")
BALANCER = Price(0.0225, 1, "hour of a load balancer", "aws.amazon.com/elasticloadbalancing/pricing")
BALANCED = Price(0.008, 1, "hour of a capacity unit of it", "aws.amazon.com/elasticloadbalancing/pricing")

_METERED_BYTES = 512 * 1024
PLATFORM_LOG_BYTES = 300
"""Of Lambda's own START, END and REPORT lines of one invocation, about."""
GATEWAY_LOG_BYTES = 170
"""Of the access log's line of one request, about."""


def count_gb_seconds(duration_ms: float, memory_mb: int) -> float:
    """Billed of one invocation: whole milliseconds."""
    return ceil(duration_ms) / 1000 * memory_mb / 1024


def count_metered_requests(request_bytes: int, reply_bytes: int) -> int:
    """What API Gateway bills one HTTP API request as: 512 KB steps of the larger side."""
    return max(1, ceil(max(request_bytes, reply_bytes) / _METERED_BYTES))


def compute_hour_of_containers() -> float:
    """Dollars an hour of two containers of half a processor and 1 GB, always on in two zones, behind a load
    balancer with one capacity unit: 25 new connections a second, 1 GB an hour.
    """
    one = PROCESSOR.of(0.5) + MEMORY.of(1)
    return 2 * one + BALANCER.of(1) + BALANCED.of(1)
