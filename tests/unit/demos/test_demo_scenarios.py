import json
from pathlib import Path

import pytest
from genai_voice.demos import scenarios
from genai_voice.demos.handlers import HANDLERS
from genai_voice.demos.scenarios import SLUGS, load_initial_state, load_scenario
from genai_voice.guardrails.matching import Matcher

FACTS = json.loads(Path(__file__).with_name("scenario_facts.json").read_text("utf-8"))
MODEL = "gemini-2.5-flash-native-audio-preview-12-2025"


def violated(slug, text):
    rules = load_scenario(f"demo-{slug}").rules
    return Matcher([(rule["type"], rule["pattern"]) for rule in rules]).find(text, lambda: False).violated


@pytest.mark.parametrize(
    ("slug", "name", "persona", "voice", "tone"),
    [
        ("demo-dentist", "Bright Smile Dental", "Sarah", "Aoede", "warm, professional, efficient"),
        ("demo-earnings", "TechCorp Investor Relations", "Alex", "Puck", "professional, data-driven, clear"),
        ("demo-ecommerce", "Coastal Breeze", "Luna", "Kore", "friendly, warm, on-brand, casual-professional"),
    ],
)
def test_each_app_has_its_persona_and_voice(slug, name, persona, voice, tone):
    app = load_scenario(slug).app
    greeting = app.pop("personaGreeting")
    assert persona in greeting
    assert name in greeting
    assert app == {
        "name": name,
        "isActive": True,
        "modelId": MODEL,
        "replyAsAudio": True,
        "guardrailsEnabled": True,
        "voice": voice,
        "personaName": persona,
        "personaTone": tone,
    }


@pytest.mark.parametrize("slug", SLUGS)
def test_each_prompt_states_its_facts(slug):
    prompt = load_scenario(slug).system_prompt
    assert [fact for fact in FACTS[slug]["prompt"] if fact not in prompt] == []


def brief(tool):
    """`name: a!, b` with `!` for what is required."""
    schema = tool["parametersSchema"]
    fields = [f"{name}!" if name in schema["required"] else name for name in schema["properties"]]
    return f"{tool['name']}: {', '.join(fields)}" + (" (auth)" if tool["requiresAuth"] else "")


@pytest.mark.parametrize(
    ("slug", "tools"),
    [
        (
            "demo-dentist",
            [
                "check_availability: startDate!, endDate, provider",
                "reschedule_appointment: appointmentId!, newDate!, newTime! (auth)",
                "cancel_appointment: appointmentId!, reason (auth)",
                "lookup_appointment: patientName!",
            ],
        ),
        (
            "demo-earnings",
            ["lookup_metric: metric!, period!", "compare_quarters: metric!, period1!, period2!"],
        ),
        (
            "demo-ecommerce",
            [
                "lookup_order: orderNumber, email",
                "initiate_return: orderNumber!, itemSku!, reason!, exchangeFor (auth)",
                "check_inventory: productName!, size, color",
                "transfer_to_human: reason!, summary!",
            ],
        ),
    ],
)
def test_each_app_has_its_tools(slug, tools):
    assert [brief(tool) for tool in load_scenario(slug).tools] == tools


TOOLS = [pytest.param(tool, id=tool["name"]) for slug in SLUGS for tool in load_scenario(slug).tools]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_is_described_down_to_its_parameters(tool):
    assert set(tool) == {"name", "description", "parametersSchema", "requiresConfirmation", "requiresAuth"}
    assert tool["description"]
    assert tool["requiresConfirmation"] is False
    schema = tool["parametersSchema"]
    assert set(schema) == {"type", "properties", "required"}
    assert schema["type"] == "object"
    assert set(schema["required"]) <= set(schema["properties"])
    for described in schema["properties"].values():
        assert set(described) == {"type", "description"}
        assert described["type"] == "string"
        assert described["description"]


def test_every_tool_of_a_scenario_has_a_handler_and_the_other_way_round():
    assert len(HANDLERS) == 10
    assert set(HANDLERS) == {tool["name"] for slug in SLUGS for tool in load_scenario(slug).tools}


@pytest.mark.parametrize(
    ("slug", "actions"),
    [
        ("demo-dentist", ["block", "block"]),
        ("demo-earnings", ["block", "block", "log"]),
        ("demo-ecommerce", ["block", "warn", "block"]),
    ],
)
def test_each_app_has_its_rules(slug, actions):
    rules = load_scenario(slug).rules
    assert [rule["action"] for rule in rules] == actions
    for rule in rules:
        assert set(rule) == {"type", "pattern", "action"} | (
            {"userMessage"} if rule["action"] != "log" else set()
        )
    assert len({(rule["type"], rule["pattern"]) for rule in rules}) == len(rules)


@pytest.mark.parametrize(
    ("slug", "text", "expected"),
    [
        # the contract's samples (8.4)
        ("dentist", "Could you prescribe a painkiller?", [0]),
        ("dentist", "Is there another dentist close by?", [1]),
        ("dentist", "Book me a cleaning on Friday", []),
        ("earnings", "Give me some confidential numbers", [0]),
        ("earnings", "Ought I to sell my shares?", [1]),
        ("earnings", "What is the outlook for revenue?", [2]),
        ("ecommerce", "Is West Elm cheaper?", [0]),
        ("ecommerce", "A $250 order needs a refund", [1]),
        ("ecommerce", "Where is my parcel?", []),
        # every term of the contract
        ("dentist", "I need medical advice", [0]),
        ("dentist", "What is your diagnosis?", [0]),
        ("dentist", "Which MEDICATION helps?", [0]),
        ("dentist", "a competitor", [1]),
        ("dentist", "some other dental office", [1]),
        ("dentist", "a different practice", [1]),
        ("earnings", "insider trading", [0]),
        ("earnings", "non-public data", [0]),
        ("earnings", "undisclosed deals", [0]),
        ("earnings", "any material nonpublic information", [0]),
        ("earnings", "material facts and information", [0]),
        ("earnings", "Should I buy now?", [1]),
        ("earnings", "What is the stock price target?", [1]),
        ("earnings", "I want investment advice", [1]),
        ("earnings", "Should I invest?", [1]),
        ("earnings", "forward-looking statements", [2]),
        ("earnings", "your guidance", [2]),
        ("earnings", "What do you expect?", [2]),
        ("earnings", "project revenue", [2]),
        ("earnings", "the forecast", [2]),
        ("earnings", "How large is the buyback?", []),
        ("earnings", "What was revenue in Q4?", []),
        ("ecommerce", "a competitor", [0]),
        ("ecommerce", "Pottery Barn has it", [0]),
        ("ecommerce", "Crate and Barrel", [0]),
        ("ecommerce", "Crate & Barrel", [0]),
        ("ecommerce", "Restoration Hardware", [0]),
        ("ecommerce", "Anthropologie", [0]),
        ("ecommerce", "wholesale terms", [2]),
        ("ecommerce", "internal pricing", [2]),
        ("ecommerce", "your cost price", [2]),
        ("ecommerce", "What margin do you make?", [2]),
        ("ecommerce", "the markup", [2]),
        ("ecommerce", "Who is your supplier?", [2]),
        # two hundred dollars or more near a refund, in either order
        ("ecommerce", "a refund of $200", [1]),
        ("ecommerce", "I was promised a REFUND\nof over $250", [1]),
        ("ecommerce", "a $350 refund", [1]),
        ("ecommerce", "a $1,250.00 refund", [1]),
        ("ecommerce", "refund me $12000", [1]),
        ("ecommerce", "refund 300 dollars please", [1]),
        ("ecommerce", "refund over 200", [1]),
        ("ecommerce", "a large refund", [1]),
        ("ecommerce", "a refund of $199.99", []),
        ("ecommerce", "a refund of $68.00", []),
        ("ecommerce", "a $25 refund", []),
        ("ecommerce", "refund order CB-20251234 for $68.00", []),
        ("ecommerce", "order CB-20251234 $68.00 refund", []),
        ("ecommerce", "a vase for $250", []),
    ],
)
def test_a_text_violates_exactly_the_rules_it_should(slug, text, expected):
    assert violated(slug, text) == expected


@pytest.mark.parametrize("slug", SLUGS)
def test_each_app_has_its_documents(slug):
    def described(each):
        return each["title"], each["category"], each["sourceType"]

    documents = load_scenario(slug).documents
    assert [described(each) for each in documents] == [described(each) for each in FACTS[slug]["documents"]]
    assert all(set(each) == {"title", "category", "sourceType", "content"} for each in documents)


@pytest.mark.parametrize("slug", SLUGS)
def test_each_document_states_its_facts(slug):
    missing = [
        f"{listed['title']}: {fact}"
        for document, listed in zip(load_scenario(slug).documents, FACTS[slug]["documents"], strict=True)
        for fact in listed["facts"]
        if fact not in document["content"]
    ]
    assert missing == []


def test_the_practice_starts_with_four_appointments():
    assert load_initial_state("demo-dentist") == {
        "appointments": [
            dict(
                zip(("id", "patient", "date", "time", "provider", "type"), row, strict=True),
                status="confirmed",
            )
            for row in [
                ("APT-10041", "Maria Garcia", "2026-04-07", "9:00 AM", "Dr. Emily Chen", "Routine Cleaning"),
                ("APT-10042", "James Wilson", "2026-04-09", "10:30 AM", "Lisa Thompson", "Deep Cleaning"),
                (
                    "APT-10043",
                    "Sarah Johnson",
                    "2026-04-14",
                    "2:30 PM",
                    "Dr. James Park",
                    "Invisalign Consultation",
                ),
                ("APT-10044", "David Kim", "2026-04-16", "1:00 PM", "Dr. Emily Chen", "Crown Fitting"),
            ]
        ]
    }


def items(*rows):
    return [
        dict(zip(("name", "sku", "color", "size", "quantity", "price"), row, strict=True)) for row in rows
    ]


def test_the_shop_starts_with_two_orders():
    assert load_initial_state("demo-ecommerce")["orders"] == [
        {
            "orderNumber": "CB-20251234",
            "customer": "Alex Thompson",
            "email": "alex.t@email.com",
            "status": "shipped",
            "orderDate": "2026-01-28",
            "shippedDate": "2026-01-29",
            "estimatedDelivery": "2026-02-03",
            "carrier": "UPS",
            "trackingNumber": "1Z999AA10123456784",
            "items": items(
                ("Coastal Classic Hoodie", "CB-HOODIE-NAV-M", "Navy", "M", 1, "$68.00"),
                (
                    "Tide Pool Collection (set of 3 mini candles)",
                    "CB-CANDLE-TP3",
                    "Assorted",
                    "One Size",
                    1,
                    "$28.00",
                ),
            ),
            "subtotal": "$96.00",
            "shipping": "FREE",
            "tax": "$7.92",
            "total": "$103.92",
            "shippingAddress": {"city": "Austin", "state": "TX", "zip": "78704"},
        },
        {
            "orderNumber": "CB-20251189",
            "customer": "Jordan Lee",
            "email": "jordan.lee@email.com",
            "status": "delivered",
            "orderDate": "2026-01-20",
            "shippedDate": "2026-01-21",
            "deliveredDate": "2026-01-25",
            "carrier": "USPS",
            "trackingNumber": "9400111899223100067890",
            "items": items(
                ("Beach Walk Linen Pants", "CB-LINEN-SAND-M", "Sand", "M", 1, "$72.00"),
                ("Sunrise Tee", "CB-TEE-WHT-M", "White", "M", 2, "$38.00"),
            ),
            "subtotal": "$148.00",
            "shipping": "FREE",
            "tax": "$12.21",
            "total": "$160.21",
            "shippingAddress": {"city": "Portland", "state": "OR", "zip": "97201"},
        },
    ]


def test_the_shop_starts_with_21_variants_in_stock_or_out_of_it():
    stock = load_initial_state("demo-ecommerce")["inventory"]
    assert all(set(row) == {"sku", "name", "color", "size", "quantity"} for row in stock)
    assert [(row["sku"], row["name"], row["color"], row["size"], row["quantity"]) for row in stock] == [
        ("CB-HOODIE-NAV-S", "Coastal Classic Hoodie", "Navy", "S", 23),
        ("CB-HOODIE-NAV-M", "Coastal Classic Hoodie", "Navy", "M", 8),
        ("CB-HOODIE-NAV-L", "Coastal Classic Hoodie", "Navy", "L", 15),
        ("CB-HOODIE-NAV-XL", "Coastal Classic Hoodie", "Navy", "XL", 0),
        ("CB-HOODIE-SAGE-S", "Coastal Classic Hoodie", "Sage", "S", 12),
        ("CB-HOODIE-SAGE-M", "Coastal Classic Hoodie", "Sage", "M", 5),
        ("CB-HOODIE-SAGE-L", "Coastal Classic Hoodie", "Sage", "L", 0),
        ("CB-HOODIE-OAT-M", "Coastal Classic Hoodie", "Oatmeal", "M", 18),
        ("CB-HOODIE-OAT-L", "Coastal Classic Hoodie", "Oatmeal", "L", 11),
        ("CB-CANDLE-CM", "Coastal Morning Candle", "Coastal Morning", "One Size", 45),
        ("CB-CANDLE-SH", "Sunset Harbor Candle", "Sunset Harbor", "One Size", 32),
        ("CB-CANDLE-TP3", "Tide Pool Collection", "Tide Pool Set", "One Size", 19),
        ("CB-LINEN-SAND-S", "Beach Walk Linen Pants", "Sand", "S", 14),
        ("CB-LINEN-SAND-M", "Beach Walk Linen Pants", "Sand", "M", 9),
        ("CB-LINEN-SAND-L", "Beach Walk Linen Pants", "Sand", "L", 6),
        ("CB-LINEN-OB-M", "Beach Walk Linen Pants", "Ocean Blue", "M", 0),
        ("CB-LINEN-OB-L", "Beach Walk Linen Pants", "Ocean Blue", "L", 3),
        ("CB-TEE-WHT-S", "Sunrise Tee", "White", "S", 30),
        ("CB-TEE-WHT-M", "Sunrise Tee", "White", "M", 22),
        ("CB-TEE-WHT-L", "Sunrise Tee", "White", "L", 17),
        ("CB-TEE-WHT-XL", "Sunrise Tee", "White", "XL", 8),
    ]


def test_the_earnings_demo_has_no_state():
    assert load_initial_state("demo-earnings") is None


@pytest.mark.parametrize("slug", ["", "demo", "someone", "../scenarios/demo-dentist", "demo-dentist/"])
def test_only_demos_have_a_scenario(slug):
    assert load_initial_state(slug) is None
    with pytest.raises(KeyError):
        load_scenario(slug)


@pytest.mark.parametrize("slug", SLUGS)
def test_what_a_caller_changes_is_its_own(slug):
    original = json.dumps([load_scenario(slug).tools, load_scenario(slug).app, load_initial_state(slug)])
    mine, state = load_scenario(slug), load_initial_state(slug)
    mine.tools[0]["parametersSchema"].clear()
    mine.app.clear()
    if state:
        next(iter(state.values())).clear()
    assert (
        json.dumps([load_scenario(slug).tools, load_scenario(slug).app, load_initial_state(slug)]) == original
    )


def test_every_file_of_a_scenario_is_used():
    folder = Path(scenarios.__file__).parent / "scenarios"
    for slug in SLUGS:
        listed = {each["file"] for each in json.loads((folder / slug / "documents.json").read_text("utf-8"))}
        assert listed == {path.name for path in (folder / slug / "documents").iterdir()}
    assert {path.name for path in folder.iterdir()} == set(SLUGS)
