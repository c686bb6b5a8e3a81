"""The documents of an app: put and counted."""

from genai_voice.foundation.clock import get_now_ms
from genai_voice.knowledge.rows import DocumentRow


def put_document(
    app: str, title: str, *, content: str, category: str, source_type: str, updated_by: str
) -> bool:
    """Create or replace the document of this title. Answers whether it is new."""
    row, now = DocumentRow, get_now_ms()
    before = DocumentRow.of(app, title).change_and_return(
        [
            row.title.set(title),
            row.content.set(content),
            row.category.set(category),
            row.source_type.set(source_type),
            row.updated_by.set(updated_by),
            row.created_at.set(row.created_at | now),
            row.updated_at.set(now),
        ],
        returning="ALL_OLD",
    )
    return before is None or before.title is None


def count_documents(app: str) -> int:
    """Count the documents of an app."""
    return DocumentRow.count_documents(app)
