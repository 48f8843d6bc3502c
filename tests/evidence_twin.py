"""What the reports say of one source, one by one, from the formulas of `detect.evidence`."""

import math

from detect import evidence as e
from detect.geodesy import distance_azimuth


def student(z):
    return e.T3 / (1.0 + z * z / 3.0) ** 2


def fits(residual, variance):
    r2 = residual**2 / (e.LATEST_S**2 + 9.0 * variance)
    return student(residual / math.sqrt(variance)) / math.sqrt(variance) / (1.0 + r2**4)


def saturation(magnitude, kind):
    _, _, c1, c2, _, _ = e.FALL[kind]
    return c1 * (math.atan(magnitude - 5.0) + 1.4) * math.exp(c2 * (magnitude - 5.0))


def fallen(kind, reach):
    """log10 of the amplitude that magnitude 0 would have."""
    _, absorbed, _, _, spreading, constant = e.FALL[kind]
    return constant - absorbed * reach - spreading * math.log10(reach) - e.CM


def logistic(x):
    return 1.0 / (1.0 + math.exp(-x))


class Onset:
    """An onset that asks for an origin time, as P or as S."""

    as_s = False

    def agrees(self, origin):
        p = 1.0 / (1.0 + (self.start - origin) ** 2 / self.variance / 3.0)
        s = e.S_FIRST / (1.0 + (self.start_s - origin) ** 2 / self.variance_s / 3.0)
        return p, s


class Report(Onset):
    """A row of the reports, and what it says of the source."""

    def __init__(self, row, place, cell, tables):
        self.time, self.sigma, self.until = row[e.TIME], row[e.SIGMA], row[e.UNTIL]
        self.later = [t for t in row[e.LATER : e.LATER + e.LATERS] if not math.isnan(t)]
        self.other, self.trust, self.share = row[e.OTHER], row[e.TRUST], row[e.SHARE]
        self.amplitude = None if math.isnan(row[e.AMPLITUDE]) else row[e.AMPLITUDE]
        self.kind, self.elapsed, self.noise = (
            int(row[e.ACCELEROMETER]),
            row[e.ELAPSED],
            row[e.NOISE],
        )
        self.half = None if math.isnan(row[e.HALF_GROWN]) else row[e.HALF_GROWN]
        distance, _ = distance_azimuth(*place, row[e.LATITUDE], row[e.LONGITUDE])
        half, depth, half_depth = cell[e.HALF], cell[e.DEPTH], cell[e.HALF_DEPTH]
        self.reach = math.sqrt(distance**2 + 9.0 + max(depth - 10.0, 0.0) ** 2)
        self.travel, self.travel_s = tables.p(distance, depth), tables.s(distance, depth)
        wide = (half / 10.0) ** 2 + (half_depth / 12.0 * depth / self.reach) ** 2
        self.known = self.sigma**2 + (e.MODEL_SHARE * self.travel) ** 2
        self.variance = self.known + wide
        self.variance_s = self.sigma**2 + e.S_SIGMA_S**2
        self.variance_s += (e.S_MODEL_SHARE * self.travel_s) ** 2 + 3.0 * wide
        self.start, self.start_s = self.time - self.travel, self.time - self.travel_s
        self.belongs = self.belongs_s = 0.0
        growing = e.GROWING_SIGMA * math.exp(-self.elapsed)
        self.scatter = math.hypot(e.AMPLITUDE_SIGMA, growing)

    def stands_out(self, magnitude, large):
        """By how much P stands out of the noise, in widths."""
        magnitude = min(magnitude, e.BEGINS_AS)
        grown = saturation(magnitude, self.kind) if large else (0.25, 0.5)[self.kind]
        expected = e.FALL[self.kind][0] * magnitude + fallen(self.kind, self.reach + grown)
        return (expected - self.noise - e.STANDS_OUT) / e.STANDS_OUT_WIDTH


def agreed(onsets):
    """Origin time: where most agree, then weighted means."""
    if len(onsets) == 1:
        return onsets[0].start
    tried = [t for one in onsets[:6] for t in (one.start, one.start_s)]
    origin = max(tried, key=lambda t: sum(o.trust * max(o.agrees(t)) for o in onsets))
    for turn in range(4):
        total = weights = 0.0
        for o in onsets:
            p, s = o.agrees(origin)
            o.as_s = s > p
            weight = o.trust * (s / o.variance_s if o.as_s else p / o.variance)
            total += weight * (o.start_s if o.as_s else o.start)
            weights += weight
        if turn < 3:
            origin = total / weights
    return origin


def fitted(onsets, origin, before):
    """Magnitude and its variance, and of each onset what magnitude 0 would give, and the slope."""
    total = weights = 0.0
    for o in onsets:
        if o.amplitude is None:
            continue
        late = o.as_s or o.elapsed * e.P_KM_S_AHEAD > o.reach
        kind = o.kind + (2 if late else 0)
        grown = 0.25 if before is None else saturation(before, kind)
        o.slope, o.fallen = e.FALL[kind][0], fallen(kind, o.reach + grown)
        z2 = (o.start - origin) ** 2 / o.variance
        if o.as_s:
            z2 = (o.start_s - origin) ** 2 / o.variance_s
        weight = o.trust * o.share * o.slope**2 / (o.scatter**2 * (1.0 + z2 / 3.0))
        weights += weight
        total += weight * (o.amplitude - o.fallen) / o.slope
    if weights == 0.0:
        return e.TYPICAL_MAGNITUDE, 0.0
    variance = 1.0 / (weights + 0.01)
    magnitude = total / weights - e.B_VALUE * e.LN10 * variance
    return min(max(magnitude, e.LEAST_MAGNITUDE), e.LARGEST_MAGNITUDE), variance


def duration_s(magnitude):
    return e.DURATION_M7_S * 10.0 ** (0.5 * (magnitude - 7.0))


def grew(o, wait, duration):
    """How much more likely half of the peak is to come when it did, if S comes after a wait."""
    late = (o.elapsed - wait - e.HALF_SETTLED_S) / e.HALF_WIDTH_S
    come = 0.0 if late < -8.0 else logistic(late)
    sigma = math.hypot(e.HALF_SIGMA_S, e.HALF_SPREAD * duration, e.S_MODEL_SHARE * wait)
    expected = wait + e.HALF_AFTER_S + e.HALF_DURATION * duration
    other = e.OVER_SHARE * math.exp(-o.half / e.OVER_S) / e.OVER_S
    other += (1.0 - e.OVER_SHARE) / o.elapsed
    with_s = student((o.half - expected) / sigma) / sigma / other
    apart = e.HALF_BEFORE if o.half < wait else e.HALF_LATER
    fits = (1.0 - e.HALF_BEFORE - e.HALF_LATER) * with_s + apart
    return 1.0 - come + come * fits


def log_likelihood(o, origin, magnitude, large):
    """Log of what an onset says, and what it adds to the precision of the origin."""
    out = o.stands_out(magnitude, large)
    d = e.MOST_DETECTED * logistic(out)
    d_s = e.MOST_DETECTED * logistic(out + e.S_LARGER / e.STANDS_OUT_WIDTH)
    size = any_size = 1.0
    if o.amplitude is not None:
        size = student((o.amplitude - o.fallen - o.slope * magnitude) / o.scatter) / o.scatter
        any_size = e.ANY_DECADE
    p = o.trust * d * fits(o.start - origin, o.variance) / o.other
    p *= any_size if o.as_s else size
    s = o.trust * (1.0 - d) * d_s * fits(o.start_s - origin, o.variance_s) / o.other
    s *= size if o.as_s else any_size
    total = 1.0 - o.trust + o.trust * ((1.0 - d) * (1.0 - d_s) + e.MISTAKEN * d) + p + s
    o.belongs, o.belongs_s = p / total, s / total
    precision = o.belongs / o.variance + o.belongs_s / o.variance_s
    if o.later:
        marked = sum(fits(t - origin - o.travel_s, o.variance_s) for t in o.later)
        hidden = math.exp(-e.HIDES * duration_s(magnitude) / (o.travel_s - o.travel + 0.1))
        share = o.trust * e.MARKED_S * o.belongs * hidden
        total *= 1.0 - share + share * marked / e.OTHER_LATER
    return o.share * math.log(total), precision


def judge(cell, around, rows, onsets, tables, silent_after_s):
    """Log of the density, origin time, magnitude, finest half side, and the reports."""
    place = e.at_place(cell[e.EAST], cell[e.NORTH], *around)
    reports = [Report(row, place, cell, tables) for row in rows]
    picked, silent = reports[:onsets], reports[onsets:]
    origin = agreed(picked)
    magnitude, spread = fitted(picked, origin, None)
    large = magnitude > 5.0
    if large and spread > 0.0:
        magnitude, spread = fitted(picked, origin, magnitude)
    log_p = -e.B_VALUE * e.LN10 * (magnitude - e.LEAST_MAGNITUDE)
    depth = cell[e.DEPTH]
    prior = 0.8 * depth / 36.0 * math.exp(-depth / 6.0) + 0.2 / 35.0 * math.exp(-depth / 35.0)
    log_p += math.log(prior)
    if spread > 0.0:
        log_p += math.log(e.B_VALUE * e.LN10 * math.sqrt(2.0 * math.pi * spread))
    precision = 0.01
    for o in picked:
        says, adds = log_likelihood(o, origin, magnitude, large)
        log_p += says
        precision += adds
    followed = [o for o in picked[: e.MOST_FOLLOWED] if o.half is not None]
    for o in followed:
        trust, wait = o.trust * o.share, o.travel_s - o.travel
        as_p, as_s = trust * o.belongs, trust * o.belongs_s
        duration = duration_s(magnitude)
        both = as_p * grew(o, wait, duration) + as_s * grew(o, 0.0, duration)
        share = 1.0 / (1.0 + e.HALF_SHARE * (len(followed) - 1))
        log_p += share * math.log(1.0 - as_p - as_s + both)
    for o in silent:
        out = o.stands_out(magnitude, large)
        over = (o.until - origin - o.travel - silent_after_s) / e.SILENCE_WIDTH_S
        if min(out, over) >= -6.0:
            o.belongs = e.MOST_DETECTED * logistic(out) * logistic(over)
        log_p += o.share * math.log(1.0 - o.trust * o.belongs)
    log_p += 0.5 * math.log(2.0 * math.pi / precision)
    least = min(o.known for o in picked)
    return log_p, origin, magnitude, max(e.SMALLEST_KM, e.RESOLVED_KM_S * math.sqrt(least)), reports


def to_velocity(accelerometer):
    return -math.log10(2.0 * math.pi) if accelerometer == 1.0 else 0.0


class Far(Onset):
    """A row of the reports, and what it says of a plane wave."""

    def __init__(self, number, row, around, slowness, azimuth):
        turn = (row[e.LONGITUDE] - around[1] + 180.0) % 360.0 - 180.0
        east = turn * e.KM_PER_DEGREE * math.cos(math.radians(around[0]))
        north = (row[e.LATITUDE] - around[0]) * e.KM_PER_DEGREE
        self.row = row
        self.travel = slowness * (east * math.sin(azimuth) + north * math.cos(azimuth))
        self.start, self.start_s = row[e.TIME] - self.travel, e.NEVER_S * (1.0 + number)
        self.variance, self.variance_s = row[e.SIGMA] ** 2 + e.FAR_SIGMA_S**2, 1.0
        self.trust = row[e.TRUST]
        self.as_velocity = to_velocity(row[e.ACCELEROMETER])


def one_wave(reports, onsets, silent_after_s):
    """Log of the density of the reports for one plane wave."""
    picked = reports[:onsets]
    origin = agreed(picked)
    loud = [o for o in picked if not math.isnan(o.row[e.AMPLITUDE])]
    weights = [o.trust * o.row[e.SHARE] * o.agrees(origin)[0] for o in loud]
    mean = None
    log_p = math.log(e.FAR_A_YEAR * e.FAR_DETECTED / e.YEAR_S)
    if sum(weights) > 0.0:
        sizes = [
            w * (o.row[e.AMPLITUDE] + o.as_velocity) for w, o in zip(weights, loud, strict=True)
        ]
        mean = sum(sizes) / sum(weights)
        variance = e.FAR_AMPLITUDE_SIGMA**2 / (sum(weights) + 0.01)
        log_p = math.log(e.LN10 * e.FAR_A_YEAR / e.YEAR_S * math.sqrt(2.0 * math.pi * variance))
        steeper = e.FAR_STEEPER * max(0.0, mean - e.FAR_STRONG)
        log_p -= e.LN10 * (mean - e.FAR_VELOCITY + steeper)
    precision = 0.01
    for i, o in enumerate(reports):
        d = 0.5 * e.MOST_DETECTED
        if mean is not None:
            over = mean - o.row[e.NOISE] - o.as_velocity - e.STANDS_OUT
            d = e.MOST_DETECTED * logistic(over / e.STANDS_OUT_WIDTH)
        if i >= onsets:
            over = (o.row[e.UNTIL] - origin - o.travel - silent_after_s) / e.SILENCE_WIDTH_S
            likelihood = 1.0 if over < -6.0 else 1.0 - o.trust * d * logistic(over)
        else:
            as_p = o.trust * d * fits(o.start - origin, o.variance) / o.row[e.OTHER]
            if not math.isnan(o.row[e.AMPLITUDE]):
                z = (o.row[e.AMPLITUDE] + o.as_velocity - mean) / e.FAR_AMPLITUDE_SIGMA
                as_p *= student(z) / e.FAR_AMPLITUDE_SIGMA
            likelihood = 1.0 - o.trust * d + as_p
            precision += as_p / likelihood / o.variance
            if not math.isnan(o.row[e.LATER]):
                likelihood *= 1.0 - o.trust * e.MARKED_S * as_p / likelihood
        log_p += o.row[e.SHARE] * math.log(likelihood)
    return log_p + 0.5 * math.log(2.0 * math.pi / precision)


def plane_wave(around, rows, onsets, silent_after_s):
    """Log of the odds of a plane wave against nothing."""
    logs = []
    for slowness in e.FAR_SLOWNESSES:
        for k in range(e.FAR_AZIMUTHS):
            azimuth = 2.0 * math.pi * k / e.FAR_AZIMUTHS
            reports = [Far(i, row, around, slowness, azimuth) for i, row in enumerate(rows)]
            logs.append(one_wave(reports, onsets, silent_after_s))
    top = max(logs)
    return top + math.log(sum(math.exp(log - top) for log in logs) / len(logs))
