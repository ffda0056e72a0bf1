#!/usr/bin/env python3
"""Random PATCH sequences with the states that scim2-models, an independent implementation, comes to.

    tests/scim/oracle.py DIRECTORY COUNT SEED > sequences.jsonl

DIRECTORY keeps a virtual environment, made at the first run. One line is one sequence:
{"start": user, "requests": [operations, ...], "states": [user or null, ...]}; null: the request was refused.
GATEPOST_SCIM_SEQUENCES=sequences.jsonl cargo test scim:: compares them with ours.
"""

import json
import os
import random
import subprocess
import sys

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"


def enter(directory):
    """Goes on in the virtual environment."""
    python = os.path.join(directory, "venv-scim2-models", "bin", "python")
    if os.path.abspath(sys.executable) == os.path.abspath(python):
        return
    if not os.path.exists(python):
        subprocess.check_call([sys.executable, "-m", "venv", os.path.dirname(os.path.dirname(python))])
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.check_call(pip + ["scim2-models==0.12.3", "email-validator==2.4.0"])
    os.execv(python, [python, *sys.argv])


class Dice:
    """What random requests are made of."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def one(self, *choices):
        return self.random.choice(choices)

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def word(self):
        return self.one("a", "B", "b", "Zoë", "x y", "", "é", 'q"uote', "back\\slash")

    def mail(self):
        return self.one("a@example.com", "b@example.com", "C@example.com", "d@example.org")

    def kind(self):
        return self.one("work", "home", "other", "Work")

    def boolean(self):
        return self.one(True, False)

    def element(self, attribute):
        element = {}
        if attribute == "addresses":
            for part in ("locality", "region", "streetAddress"):
                if self.chance(40):
                    element[part] = self.word()
        elif not self.chance(5):
            element["value"] = self.mail() if attribute == "emails" else self.one("1", "2", "three")
        if self.chance(70):
            element["type"] = self.kind()
        if self.chance(15):
            element["primary"] = self.boolean()
        if self.chance(15) and attribute != "addresses":
            element["display"] = self.word()
        return element or {"type": "work"}

    def elements(self, attribute, most=3):
        return [self.element(attribute) for _ in range(self.random.randrange(1, most + 1))]

    def name(self):
        parts = ("givenName", "familyName", "middleName", "formatted")
        return {part: self.word() for part in parts if self.chance(45)} or {"givenName": "A"}

    def user(self):
        user = {"schemas": [CORE], "userName": "start"}
        if self.chance(50):
            user["name"] = self.name()
        for attribute in ("title", "displayName", "nickName"):
            if self.chance(30):
                user[attribute] = self.word()
        if self.chance(50):
            user["active"] = self.boolean()
        for attribute in SEVERAL:
            if self.chance(50):
                user[attribute] = tidy(self.elements(attribute))
        if self.chance(40):
            user[ENTERPRISE] = {"department": self.word(), "employeeNumber": "7"}
            user["schemas"].append(ENTERPRISE)
        return user

    def simple(self):
        """A path and a value for one value."""
        return self.one(
            ("title", self.word()),
            ("displayName", self.word()),
            ("DISPLAYNAME", self.word()),
            ("userName", self.one("Ann", "bob", "start")),
            ("active", self.boolean()),
            ("externalId", self.one("X", "x")),
            ("name.givenName", self.word()),
            ("name.familyName", self.word()),
            ("name", self.name()),
            (CORE + ":nickName", self.word()),
            (CORE + ":name.middleName", self.word()),
            (ENTERPRISE + ":department", self.word()),
            (ENTERPRISE + ":manager.value", self.one("26118915-6090-4610-87e4-49d8ca9f808d", "m2")),
            (ENTERPRISE, {"department": self.word(), "division": self.word()}),
        )

    def several(self):
        attribute = self.one(*SEVERAL)
        if self.chance(50):
            return attribute, self.elements(attribute)
        return attribute, self.element(attribute) if self.chance(30) else self.elements(attribute, 1)

    def filter(self, attribute):
        value = self.mail() if attribute == "emails" else self.one("1", "2", "three")
        part = "locality" if attribute == "addresses" else "value"
        return self.one(
            f'type eq "{self.kind()}"',
            f'type eq "{self.kind()}"',
            f'type eq "{self.kind()}" and {part} eq "{value}"',
            f'{part} eq "{value}"',
            f'{part} co "a" or type eq "home"',
            f'not (type eq "work")',
            f"primary eq true",
            f"{part} pr",
        )

    def filtered(self):
        attribute = self.one(*SEVERAL)
        path = f"{attribute}[{self.filter(attribute)}]"
        if self.chance(75):
            part = self.one("type", "primary", "locality" if attribute == "addresses" else "value")
            value = {"type": self.kind(), "primary": self.boolean(), "locality": self.word()}.get(part)
            if value is None:
                value = self.mail() if attribute == "emails" else self.one("1", "2", "three")
            return f"{path}.{part}", value
        return path, self.element(attribute)

    def target(self):
        return self.one(self.simple, self.simple, self.several, self.filtered, self.filtered)()

    def operation(self):
        verb = self.one("add", "Add", "replace", "Replace", "replace", "remove", "Remove")
        if verb.lower() == "remove":
            path, _ = self.target()
            operation = {"op": verb, "path": path}
            if path in SEVERAL and self.chance(60):
                operation["value"] = self.elements(path, 2)
            return operation
        if self.chance(20):
            value = {}
            for _ in range(self.random.randrange(1, 4)):
                path, part = self.one(self.simple, self.several)()
                value[path] = part
            if self.chance(3):
                value["id"] = "mine"
            return {"op": verb, "value": value}
        path, value = self.target()
        if self.chance(3):
            path, value = self.one(("id", "x"), ("groups", []), ("nothing", 1), ("emails[", 1), ("title", 5))
        if verb.lower() == "replace" and self.chance(3):
            value = None
        return {"op": verb, "path": path, "value": value}

    def request(self):
        return [self.operation() for _ in range(self.random.randrange(1, 5))]


SEVERAL = ("emails", "phoneNumbers", "addresses", "roles")


def tidy(elements):
    """At most one primary, since a user cannot begin with two."""
    seen = False
    for element in elements:
        if element.get("primary") is True:
            if seen:
                element["primary"] = False
            seen = True
    return elements


def main():
    directory, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    enter(directory)
    from scim2_models import Context, EnterpriseUser, PatchOp, ScimPolicy, User

    model = User[EnterpriseUser]
    policy = ScimPolicy(
        unknown=ScimPolicy.Unknown.ignore,
        remove_value_as_filter=ScimPolicy.RemoveValue.apply,
        unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
    )

    def dumped(user):
        state = user.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
        return {name: value for name, value in state.items() if name not in ("schemas", "id", "meta")}

    for number in range(count):
        dice = Dice(seed * 1_000_003 + number)
        start = dice.user()
        user = model.model_validate(start, scim_policy=policy)
        user.id = "00000000-0000-4000-8000-000000000000"
        begun = dumped(user)
        requests, states, why = [], [], []
        for _ in range(dice.random.randrange(1, 6)):
            operations = dice.request()
            requests.append(operations)
            body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations}
            try:
                patch = PatchOp[model].model_validate(
                    body, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=policy
                )
                patch.patch(user, scim_policy=policy)
                states.append(dumped(user))
                why.append("")
            except Exception as error:  # whatever it refuses with
                states.append(None)
                why.append(str(error)[:300])
        line = {"start": begun, "requests": requests, "states": states, "why": why}
        print(json.dumps(line, ensure_ascii=False))


if __name__ == "__main__":
    main()
