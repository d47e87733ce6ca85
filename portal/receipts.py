"""Consent receipts as files: ISO/IEC TS 27560 fields as JSON, and W3C DPV 2.3 terms.

They say what stood when the person decided, whatever was changed since.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import reverse

from consent import selectors
from consent.models import ConsentEvent
from consent.policy.types import ConsentState
from consent.selectors.history import shared_then

SCHEMA = "ISO/IEC TS 27560:2023"
STATES = {
    ConsentState.GIVEN: "ConsentGiven",
    ConsentState.REFUSED: "ConsentRefused",
    ConsentState.DEFERRED: "ConsentRequestDeferred",
    ConsentState.WITHDRAWN: "ConsentWithdrawn",
    ConsentState.REVOKED: "ConsentRevoked",
    ConsentState.EXPIRED: "ConsentExpired",
    ConsentState.INVALIDATED: "ConsentInvalidated",
    ConsentState.REQUESTED: "ConsentRequested",
    ConsentState.UNKNOWN: "ConsentUnknown",
}
CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "ai": "https://w3id.org/dpv/ai#",
    "loc": "https://w3id.org/dpv/loc#",
    "dct": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What stood of a purpose for one person when they decided."""

    title: str
    retention_days: int
    places: tuple[str, ...]


def terms_of(event: ConsentEvent) -> Terms:
    """Return the terms that stood; those of today where the records of then do not have them."""
    policy = event.cohort_policy or shared_then(event.subject, event.recorded_at)[0]
    document = policy.document if policy else {}
    purpose = document.get("purposes", {}).get(event.purpose.code, {})
    return Terms(
        title=purpose.get("title", event.purpose.title),
        retention_days=purpose.get("retention_days", event.purpose.retention_days),
        places=tuple(document.get("jurisdictions", ())),
    )


def as_json(event: ConsentEvent) -> dict[str, Any]:
    """Return the receipt with the standard's field names; the record stands inside it."""
    notice, terms = event.notice, terms_of(event)
    places = list(terms.places)
    return {
        "receipt_header": {"schema_version": SCHEMA, "receipt_id": str(event.uuid)},
        "record_header": {
            "schema_version": SCHEMA,
            "record_id": str(event.uuid),
            "pii_principal_id": str(event.subject.ref),
        },
        "pii_processing": {
            "privacy_notice": f"{_address('you-notice', notice.uuid)}#sha256={notice.sha256}",
            "language": event.language,
            "purposes": [
                {
                    "purpose": terms.title,
                    "purpose_type": "research_and_development",
                    "lawful_basis": event.purpose.lawful_basis,
                    "pii_information": [
                        {
                            "pii_type": scope.signal,
                            "pii_attribute_id": f"{scope.app.code}:{scope.signal}",
                            "pii_optional": True,
                        }
                        for scope in _scopes(event)
                    ],
                    "pii_controllers": ["party-1"],
                    "collection_method": "observed by a capture agent on the person's machine",
                    "processing_method": "automated; no decision about the person",
                    "storage_locations": places,
                    "retention_period": f"P{terms.retention_days}D",
                    "jurisdiction": places,
                    # Beside the standard's fields: which rules applied when this was decided.
                    "rule_pack": {"version": event.pack_version, "sha256": event.pack_digest},
                    # And what the person agreed to about the notice period, and where that ended.
                    "shorter_notice": [
                        {
                            "agreed": said.agreed,
                            "period_from": said.told_on.isoformat(),
                            "event_time": said.event_time.isoformat(),
                        }
                        for said in selectors.waivers_under(event)
                    ],
                    "recipient_third_parties": [],
                    "withdrawal_method": _address("you-home"),
                    "privacy_rights": [
                        "access",
                        "rectification",
                        "erasure",
                        "restriction",
                        "portability",
                        "withdraw",
                    ],
                }
            ],
        },
        "party_identification": [
            {
                "party_id": "party-1",
                "party_name": settings.ORGANISATION,
                "party_address": settings.PUBLIC_URL,
                "party_contact": settings.PRIVACY_CONTACT
                or f"privacy team of {settings.ORGANISATION}",
                "party_role": "controller",
                "party_type": "organisation",
            }
        ],
        "events": [
            {
                "event_time": event.event_time.isoformat(),
                "validity_duration": _until(event),
                "entity_id": str(event.subject.ref),
                "event_type": "explicit",
                "event_state": f"consent_{event.state}",
            }
        ],
    }


def as_jsonld(event: ConsentEvent) -> dict[str, Any]:
    """Return the receipt as JSON-LD with terms of DPV 2.3 alone: it has none for shorter notice."""
    terms = terms_of(event)
    return {
        "@context": CONTEXT,
        "@id": f"urn:uuid:{event.uuid}",
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": {"@id": "https://w3id.org/dpv/schema/dpv-27560#receipt"},
        "dpv:hasIdentifier": str(event.uuid),
        "dpv:hasDataSubject": {"@id": f"urn:uuid:{event.subject.ref}", "@type": "dpv:Employee"},
        "dpv:hasConsentStatus": {"@id": f"dpv:{STATES[ConsentState(event.state)]}"},
        "dpv:hasPurpose": {"@type": "dpv:ResearchAndDevelopment", "dct:title": terms.title},
        "dpv:hasProcessing": [{"@id": "ai:DataCollection"}, {"@id": "ai:ModelTraining"}],
        "dpv:hasPersonalData": [f"{scope.app.code}:{scope.signal}" for scope in _scopes(event)],
        "dpv:hasDataController": {"dpv:hasName": settings.ORGANISATION},
        "dpv:hasNotice": {
            "@id": _address("you-notice", event.notice.uuid),
            "@type": "dpv:ConsentNotice",
        },
        "dpv:hasStorageCondition": {
            "@type": "dpv:StorageDuration",
            "dpv:hasDuration": f"P{terms.retention_days}D",
        },
        "dpv:hasRule": {
            "dct:hasVersion": event.pack_version,
            "dct:identifier": event.pack_digest,
        },
        "dpv:hasJurisdiction": [{"@id": f"loc:{place}"} for place in terms.places],
        "dct:date": {"@type": "xsd:dateTime", "@value": event.event_time.isoformat()},
        "dpv:hasConsentControl": {
            "@type": "dpv:WithdrawConsent",
            "dpv:isExercisedAt": _address("you-home"),
        },
    }


def _scopes(event: ConsentEvent) -> Any:
    return event.scopes.select_related("app").order_by("app__code", "signal")


def _until(event: ConsentEvent) -> str:
    return event.valid_until.isoformat() if event.valid_until else "until withdrawn"


def _address(name: str, *args: object) -> str:
    return settings.PUBLIC_URL + reverse(name, args=args)
