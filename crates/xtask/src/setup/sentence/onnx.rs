//! As much of the ONNX file format as one graph needs: messages of Protocol Buffers, written from the inside out.
//!
//! Field numbers are those of `onnx.proto3` (IR version 8).

/// Element types of tensors, as the format numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Float = 1,
    Uint8 = 2,
    Int32 = 6,
    Int64 = 7,
}

/// One message under construction.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: i64) {
        self.varint(field << 3);
        self.varint(value.cast_unsigned());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn text(&mut self, field: u64, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn message(&mut self, field: u64, inner: &Self) {
        self.bytes(field, &inner.0);
    }
}

/// An attribute of a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attribute<'a> {
    Int(&'a str, i64),
    Ints(&'a str, &'a [i64]),
    Float(&'a str, f32),
}

impl Attribute<'_> {
    /// What a cast makes.
    pub(super) const fn to(element: Element) -> Self {
        Self::Int("to", element as i64)
    }
}

/// A graph under construction.
#[derive(Debug, Default)]
pub(super) struct Graph {
    message: Message,
    names: usize,
    /// Whether there are operators that only ONNX Runtime has.
    needs_runtime: bool,
}

/// The domain of the operators that ONNX Runtime has beyond those of the format, and their version.
const RUNTIME_DOMAIN: (&str, i64) = ("com.microsoft", 1);

impl Graph {
    /// A node with one output, whose name it answers.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[Attribute<'_>],
    ) -> String {
        let output = self.name(operator);
        self.named_node(operator, inputs, &output, attributes);
        output
    }

    /// As [`Self::node`], of an operator that only ONNX Runtime has.
    pub(super) fn runtime_node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[Attribute<'_>],
    ) -> String {
        let output = self.name(operator);
        let mut node = message_of_node(operator, inputs, &output, attributes);
        node.text(7, RUNTIME_DOMAIN.0);
        self.message.message(1, &node);
        self.needs_runtime = true;
        output
    }

    fn name(&mut self, operator: &str) -> String {
        self.names += 1;
        format!("{}_{}", operator.to_lowercase(), self.names)
    }

    /// A node whose output is called so.
    pub(super) fn named_node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[Attribute<'_>],
    ) {
        let node = message_of_node(operator, inputs, output, attributes);
        self.message.message(1, &node);
    }

    /// A constant tensor; `data` is little-endian.
    pub(super) fn constant(
        &mut self,
        name: &str,
        element: Element,
        shape: &[usize],
        data: &[u8],
    ) -> String {
        let mut tensor = Message::default();
        for side in shape {
            tensor.number(1, *side as i64);
        }
        tensor.number(2, element as i64);
        tensor.text(8, name);
        tensor.bytes(9, data);
        self.message.message(5, &tensor);
        name.to_owned()
    }

    /// A constant list of whole numbers.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let values: Vec<[u8; 8]> = values.iter().map(|value| value.to_le_bytes()).collect();
        self.list(name, Element::Int64, &values)
    }

    /// A constant number.
    pub(super) fn scalar(&mut self, name: &str, value: f32) -> String {
        self.constant(name, Element::Float, &[], &value.to_le_bytes())
    }

    /// A constant list of numbers.
    pub(super) fn numbers(&mut self, name: &str, values: &[f32]) -> String {
        let values: Vec<[u8; 4]> = values.iter().map(|value| value.to_le_bytes()).collect();
        self.list(name, Element::Float, &values)
    }

    fn list<const N: usize>(&mut self, name: &str, element: Element, values: &[[u8; N]]) -> String {
        self.constant(name, element, &[values.len()], values.as_flattened())
    }

    /// An input of the graph; words in the shape are sides that vary.
    pub(super) fn input(&mut self, name: &str, element: Element, shape: &[&str]) {
        self.message.message(11, &value_info(name, element, shape));
    }

    /// An output of the graph.
    pub(super) fn output(&mut self, name: &str, element: Element, shape: &[&str]) {
        self.message.message(12, &value_info(name, element, shape));
    }

    /// The whole file.
    pub(super) fn into_model(mut self, name: &str, opset: i64) -> Vec<u8> {
        self.message.text(2, name);
        let mut model = Message::default();
        model.number(1, 8);
        model.text(2, "lamina");
        model.message(7, &self.message);
        let more = self.needs_runtime.then_some(RUNTIME_DOMAIN);
        for (domain, version) in [("", opset)].into_iter().chain(more) {
            let mut operators = Message::default();
            operators.text(1, domain);
            operators.number(2, version);
            model.message(8, &operators);
        }
        model.0
    }
}

fn message_of_node(
    operator: &str,
    inputs: &[&str],
    output: &str,
    attributes: &[Attribute<'_>],
) -> Message {
    let mut node = Message::default();
    for input in inputs {
        node.text(1, input);
    }
    node.text(2, output);
    node.text(4, operator);
    for attribute in attributes {
        node.message(5, &encode(*attribute));
    }
    node
}

fn encode(attribute: Attribute<'_>) -> Message {
    let mut message = Message::default();
    let kind = match attribute {
        Attribute::Float(name, value) => {
            message.text(1, name);
            message.float(2, value);
            1
        }
        Attribute::Int(name, value) => {
            message.text(1, name);
            message.number(3, value);
            2
        }
        Attribute::Ints(name, values) => {
            message.text(1, name);
            for value in values {
                message.number(8, *value);
            }
            7
        }
    };
    message.number(20, kind);
    message
}

fn value_info(name: &str, element: Element, shape: &[&str]) -> Message {
    let mut sides = Message::default();
    for side in shape {
        let mut dimension = Message::default();
        match side.parse::<i64>() {
            Ok(length) => dimension.number(1, length),
            Err(_) => dimension.text(2, side),
        }
        sides.message(1, &dimension);
    }
    let mut tensor = Message::default();
    tensor.number(1, element as i64);
    tensor.message(2, &sides);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut info = Message::default();
    info.text(1, name);
    info.message(2, &kind);
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_the_format_says() {
        let mut message = Message::default();
        message.number(1, 300);
        message.number(2, -1);
        message.text(4, "ab");
        message.float(2, 1.0);
        assert_eq!(
            message.0,
            [
                0x08, 0xac, 0x02, // 300
                0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, // -1
                0x22, 0x02, b'a', b'b', // "ab"
                0x15, 0x00, 0x00, 0x80, 0x3f, // 1.0
            ]
        );
    }

    #[test]
    fn every_node_has_an_output_of_its_own() {
        let mut graph = Graph::default();
        let first = graph.node("Relu", &["x"], &[]);
        let second = graph.node("Relu", &[&first], &[Attribute::Int("axis", 1)]);
        assert_ne!(first, second);
        let file = graph.into_model("g", 17);
        // IR version, producer, and then the graph.
        assert_eq!(file[..11], *b"\x08\x08\x12\x06lamina\x3a");
        assert!(file.ends_with(b"\x42\x04\x0a\x00\x10\x11"));
    }

    #[test]
    fn what_only_the_runtime_has_is_imported_from_there() {
        let mut graph = Graph::default();
        graph.runtime_node("BiasGelu", &["x", "bias"], &[]);
        let file = graph.into_model("g", 17);
        assert!(file.ends_with(b"\x42\x04\x0a\x00\x10\x11\x42\x11\x0a\x0dcom.microsoft\x10\x01"));
    }
}
