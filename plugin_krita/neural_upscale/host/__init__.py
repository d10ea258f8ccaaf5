"""All that has to do with Krita's own interface; the one place that knows its quirks. Nothing is imported here.

documents   documents, layers and their pixels
scratch     hidden documents, in which Krita converts, enlarges and shows pixels for us
views       windows and views, the active layer, waiting for Krita's event loop
guides      a document's guides, in old and new Krita
history     several undo steps made one
colour      Krita's colour spaces in the protocol's words (needs neither Qt nor Krita)
qt          the Qt binding: PyQt5 (Krita 5) or PyQt6 (Krita 6)

What was learned in real Krita and shapes these modules:
- `setPixelData` cannot be undone, and on a node that an undoable step has touched it breaks that step's undo. So pixels
  are only ever written into a node that is not in the document yet; `addChildNode` is the step that can be undone.
- `scaleImage` takes whole pixels per inch, and `setXRes` would be an undo step of its own.
- `scaleImage` moves guides only while they are shown, and learns that they are when the event loop has run.
- Group, vector, file and clone layers have no pixels of their own, but a projection.
- An empty profile name is understood by `createDocument`, but not by `setColorSpace`.
- `setVisible` cannot be undone, the menu's action can; it works on the active node of the active view.
- A node that was just added can be made the active one only after Krita's outermost event loop has run. Krita 5.2 makes
  it so itself, 5.3 and 6 do not. Once undo has removed it, it must not be: the document is left without an active one.
- Krita exports metadata only while exactly one layer carries them, be it hidden or not; `duplicate` copies them.
- `addChildNode` is an undo step of the document even where the parent is in no document yet.
- Layer styles are not scaled with the document.
- File layers are not scaled with the document, and vector layers only when the event loop has run.
- Krita's Python leaves SIGPIPE deadly; Krita drops an Undo that comes while it still draws; `setXRes` is an undo step.
- The Undo History docker lists the steps of the document in front, even while it is closed, and marks the last one once
  the event loop has run. Choosing a row from a script does not lead there; the Undo action does.
- A document that a script closes before the event loop has run again after a group was added to it can end Krita (5.2).
- After a script's `Document.close()` the menu's actions do nothing until the user goes to another view.
- `Window.showView` and `setActiveDocument` do not bring a document to the front; its sub-window in the QMdiArea does.
"""
