//! What the bus says, as values. Nothing of it is believed: every length is held against what is there.

/// Reads values, one after the other. Nothing comes from it where a value of the kind is not.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    /// The whole message: values begin at multiples of their size, counted from where it begins.
    bytes: &'a [u8],
    at: usize,
    /// Whether numbers have their highest byte first.
    high_first: bool,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], at: usize, high_first: bool) -> Self {
        Self { bytes, at, high_first }
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub fn number(&mut self) -> Option<u32> {
        self.align(4)?;
        let bytes = *self.take(4)?.first_chunk()?;
        Some(if self.high_first { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// A text, or the path of an object.
    pub fn text(&mut self) -> Option<&'a str> {
        let len = self.number()? as usize;
        let bytes = self.take(len)?;
        (self.byte()? == 0).then_some(())?;
        std::str::from_utf8(bytes).ok()
    }

    pub fn blob(&mut self) -> Option<&'a [u8]> {
        let len = self.number()? as usize;
        self.take(len)
    }

    pub fn signature(&mut self) -> Option<&'a str> {
        let len = usize::from(self.byte()?);
        let bytes = self.take(len)?;
        (self.byte()? == 0).then_some(())?;
        std::str::from_utf8(bytes).ok()
    }

    /// Begins a structure, or an entry of a dictionary.
    pub fn structure(&mut self) -> Option<()> {
        self.align(8)
    }

    /// The elements of an array, which begin at multiples of a number; this goes on behind them.
    pub fn array(&mut self, element: usize) -> Option<Self> {
        let len = self.number()? as usize;
        self.align(element)?;
        let end = self.at.checked_add(len)?;
        let elements = Self { bytes: self.bytes.get(..end)?, ..self.clone() };
        self.at = end;
        Some(elements)
    }

    /// A list of texts.
    pub fn texts(&mut self) -> Option<Vec<&'a str>> {
        let mut elements = self.array(4)?;
        let mut texts = Vec::new();
        while !elements.is_empty() {
            texts.push(elements.text()?);
        }
        Some(texts)
    }

    /// A dictionary of texts.
    pub fn pairs(&mut self) -> Option<Vec<(&'a str, &'a str)>> {
        let mut entries = self.array(8)?;
        let mut pairs = Vec::new();
        while !entries.is_empty() {
            entries.structure()?;
            pairs.push((entries.text()?, entries.text()?));
        }
        Some(pairs)
    }

    /// Whether all has been read.
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn align(&mut self, size: usize) -> Option<()> {
        let at = self.at.checked_next_multiple_of(size)?;
        (at <= self.bytes.len()).then(|| self.at = at)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }
}
