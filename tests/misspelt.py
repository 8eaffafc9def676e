"""Texts that are nearly UUIDs; ``uuid.UUID`` takes most of them, some for another one."""

ID = "7eb0de6a-7104-464a-b73d-41134c38e47e"
MISSPELT = {
    "empty": "",
    "no hyphens": "7eb0de6a7104464ab73d41134c38e47e",
    "an underscore for a digit": "7eb0de6a-71_4-464a-b73d-41134c38e47e",
    "a blank for a digit": "7eb0de6a-71 4-464a-b73d-41134c38e47e",
    "a blank before": " 7eb0de6a-7104-464a-b73d-41134c38e47e",
    "a blank after": "7eb0de6a-7104-464a-b73d-41134c38e47e ",
    "a line break after": "7eb0de6a-7104-464a-b73d-41134c38e47e\n",
    "a tab for a digit": "\teb0de6a-7104-464a-b73d-41134c38e47e",
    "a no-break space for a digit": "\u00a0eb0de6a-7104-464a-b73d-41134c38e47e",
    "a sign": "+eb0de6a-7104-464a-b73d-41134c38e47e",
    "a prefix of Python": "0xb0de6a-7104-464a-b73d-41134c38e47e",
    "braces": "{7eb0de6a-7104-464a-b73d-41134c38e47e}",
    "braces without hyphens": "{7eb0de6a7104464ab73d41134c38e47e}",
    "a URN": "urn:uuid:7eb0de6a-7104-464a-b73d-41134c38e47e",
    "a hyphen too early": "7eb0de6-a7104-464a-b73d-41134c38e47e",
    "hyphens for digits": "-7eb0de6a-7104-464a-b73d-41134c38e47",
    "hyphens of another kind": "7eb0de6a\u20107104\u2010464a\u2010b73d\u201041134c38e47e",
    "digits of another script": "\u0667eb0de6a-7104-464a-b73d-41134c38e47e",
    "wide digits": "\uff17eb0de6a-7104-464a-b73d-41134c38e47e",
    "a letter too far": "7eb0de6a-7104-464a-b73d-41134c38e47g",
    "one digit too many": "7eb0de6a-7104-464a-b73d-41134c38e47e0",
    "one digit too few": "7eb0de6a-7104-464a-b73d-41134c38e47",
    "a zero byte after": "7eb0de6a-7104-464a-b73d-41134c38e47e\0",
    "quoted": '"7eb0de6a-7104-464a-b73d-41134c38e47e"',
}
