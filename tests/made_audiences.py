"""Audiences of all kinds, for tests of who is told."""

from dispatch.settings import (
    AudiencePolicy,
    CountryPolicy,
    DispatchSettings,
    Policy,
    Site,
    Wanted,
)

DAM = Site(name="Medeu dam", country="KZ", latitude=43.157, longitude=77.059)
BRIDGE = Site(name="Bridge 7 & 8", country="KZ", latitude=43.02, longitude=79.2)
PASS = Site(name="Pass", country="KG", latitude=42.5, longitude=78.4)

OWN = {
    "sender": "warning@seismo.kz",
    "web": "https://seismo.kz",
    "contact": "duty@seismo.kz",
    "status": "Actual",
}


def many(**changes):
    """Settings with one audience of every kind, and each rule set somewhere."""
    values = OWN | {
        "audiences": {
            "public": AudiencePolicy(enabled=True, min_magnitude_stations=2, expires_s=900),
            "machine": AudiencePolicy(min_intensity=5.0, channel_delay_s=0.2),
            "railway": AudiencePolicy(
                sites=(DAM, BRIDGE, PASS), min_intensity=3.0, min_lead_s=2.0, channel_delay_s=1.0
            ),
            "dams": AudiencePolicy(sites=(DAM,), release="two people", languages=("ru",)),
            "almaty": AudiencePolicy(
                kind="civil-protection",
                places=("Almaty",),
                hours=("06:00-23:59",),
                update_interval_s=20.0,
            ),
            "nights": AudiencePolicy(
                countries=("KG",), hours=("22:00-06:00",), addresses=("a@b.kg", "c@d.kg")
            ),
        },
        "countries": {
            "KG": CountryPolicy(
                min_status="provisional", audiences={"public": Wanted(min_probability=0.6)}
            ),
        },
        "policy": Policy(expires_s=360, max_places=3),
    }
    return DispatchSettings(**(values | changes))
