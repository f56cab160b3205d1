"""The words that may stand around a licence, and those that may not: data only."""

from __future__ import annotations


def _split(words: str) -> frozenset[str]:
    return frozenset(words.split())


TITLES: dict[str, tuple[str, ...]] = {
    "MIT": (
        "mit license",
        "the mit license",
        "mit license mit",
        "the mit license mit",
        "mit",
        "license mit",
        "license mit license",
        "license the mit license",
        "expat license",
        "mit expat license",
    ),
    "MIT-0": ("mit no attribution", "mit 0", "mit no attribution license", "mit 0 license"),
    "ISC": ("isc license", "the isc license", "isc license isc", "isc", "license isc"),
    "0BSD": (
        "bsd zero clause license",
        "zero clause bsd",
        "0bsd",
        "0bsd license",
        "bsd zero clause license 0bsd",
        "zero clause bsd license",
        "bsd 0 clause license",
    ),
    "BSD-1-Clause": ("bsd 1 clause license",),
    "BSD-2-Clause": (
        "bsd 2 clause license",
        "the bsd 2 clause license",
        "bsd license",
        "the bsd license",
        "simplified bsd license",
        "bsd 2 clause simplified license",
        "freebsd license",
        "bsd 2 clause",
        "bsd two clause license",
    ),
    "BSD-3-Clause": (
        "bsd 3 clause license",
        "the bsd 3 clause license",
        "bsd license",
        "the bsd license",
        "new bsd license",
        "the new bsd license",
        "modified bsd license",
        "revised bsd license",
        "bsd 3 clause new or revised license",
        "bsd 3 clause",
        "bsd three clause license",
        "3 clause bsd license",
        "the 3 clause bsd license",
        "software license agreement bsd license",
    ),
    "Apache-2.0": ("apache license 2 0", "apache 2 0"),
    "Zlib": (
        "zlib license",
        "the zlib license",
        "zlib libpng license",
        "the zlib libpng license",
        "zlib libpng license zlib",
    ),
    "UPL-1.0": (
        "the universal permissive license upl version 1 0",
        "universal permissive license v1 0",
        "universal permissive license version 1 0",
        "the universal permissive license upl",
        "version 1 0",
    ),
    "BSL-1.0": (
        "boost software license version 1 0 august 17th 2003",
        "boost software license version 1 0",
        "boost software license 1 0",
        "the boost software license",
    ),
    "Unlicense": ("the unlicense", "unlicense"),
    "CC0-1.0": ("cc0 1 0 universal", "creative commons cc0 1 0 universal", "cc0"),
    "BlueOak-1.0.0": (),
}
"""Titles by licence, as words."""

ANY_TITLE = (
    "license",
    "license agreement",
    "copyright",
    "copyright notice",
    "copyright and license",
)

FORBIDDING = _split(
    """
    no not non nor never none only solely exclusively except excepting excluding unless without
    void revoked revocable terminated terminate expires expire prohibited prohibit prohibits
    forbidden forbid forbids banned restricted restrict restriction restrictions limited-use
    confidential proprietary secret internal private personal individual academic educational
    education research evaluation trial demo noncommercial commercial commercially commerce
    business enterprise profit nonprofit fee fees pay paid payment royalty royalties purchase
    buy subscription license licensed licensee licensing licenses permission permissions
    permitted permit consent authorized unauthorized use used uses user users using usage copy
    copying redistribute redistribution distribute distribution modify modification sell selling
    resale sublicense military weapons weapon police government governments nuclear surveillance
    ai ml llm training train trained scraping machine learning evil good must shall may can
    cannot agree agreement terms condition conditions subject provided clause apply applies
    hereby grant granted warranty liable required requires require obtain contact nicht kein
    keine nur ohne verboten untersagt ausser gewerblich kommerziell kommerzielle nutzung lizenz
    erlaubt zwecke interdit interdite sans sauf seulement uniquement usage utilisation
    commerciale commercial licence prohibido prohibida sin excepto solo solamente uso comercial
    permitido licencia proibido proibida somente apenas exceto comercial vietato vietata senza
    soltanto esclusivamente commerciale verboden niet geen alleen zonder behalve gebruik
    commercieel zakazane tylko bez wyjatkiem komercyjne uzycie
    """
)
"""Words that no name of a copyright holder is likely to hold and that a restriction is."""

FORBIDDING_ADDRESS = FORBIDDING - {"license", "licenses", "use", "contact", "research"}

NAMING = _split(
    """
    the of and by at its his her their present c r tm copyright
    copyrights author authors contributor contributors holder holders owner owners project
    projects foundation software systems system labs lab group team company corporation corp inc
    incorporated ltd limited llc llp gmbh ag bv ab oy sa sas spa pty co plc kg ev university
    institute college school department regents technology technologies open source free network
    networks media data web internet consortium association organization society center centre
    national international community developers developer maintainers maintainer members member
    others other et al all various individual affiliates subsidiaries respective js design
    studio solutions services computer computing digital research science sciences research
    engineering works group holdings de van von der den da di la le du dos del el ter platforms
    year years yyyy name fullname email trustees board massachusetts committee committers
    original portions parts part or core collaborators collaborator organisation people dba many
    repository
    """
) - {"research", "individual"}
"""Words of licences that names are made of too."""

ABBREVIATIONS = _split(
    """
    inc ltd llc sta co corp jr sr et al dr st prof ing dipl gmbh pty bv sa mr ms mrs c copyright
    """
)

BEFORE_NOTICE = frozenset(
    (
        "",
        "original code",
        "original work",
        "original source",
        "modified work",
        "modifications",
        "portions",
        "portions of this software are",
        "parts",
        "and",
        "typescript port",
        "port to typescript",
    )
)
