"""A rate that all callers share: a token bucket."""

_PIECE_S = 0.05  # of sending: a piece is small enough for callers to take turns
_SMALLEST, _LARGEST = 512, 65_536


class TokenBucket:
    """Lets `rate_bps` bits a second through, in pieces of at most `piece` bytes, which it also saves up while idle."""

    def __init__(self, rate_bps: int) -> None:
        self._bytes_a_second = rate_bps / 8
        self.piece = max(_SMALLEST, min(_LARGEST, int(self._bytes_a_second * _PIECE_S)))
        self._paid_at = float("-inf")  # when all that was taken is paid for, had nothing been saved up

    def take(self, now_s: float, count: int) -> float:
        """How long whoever sends `count` bytes has to wait first. Who comes first is served first."""
        began = max(self._paid_at, now_s - self.piece / self._bytes_a_second)
        self._paid_at = began + count / self._bytes_a_second
        return max(0.0, self._paid_at - now_s)
