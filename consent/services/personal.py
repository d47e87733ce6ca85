"""The personal half of a policy: a counter that rises with every choice, pause and fact."""

from django.db.models import F
from django.db.models.functions import Now

from consent import hooks
from consent.models import PersonalPolicy, Subject


def bump_personal_revision(subject: Subject) -> None:
    """Make every policy issued so far to the subject's agents out of date, as of the commit."""
    PersonalPolicy.objects.filter(subject=subject).update(
        revision=F("revision") + 1, changed_at=Now()
    )
    hooks.policy_changing(subject=subject.pk)
