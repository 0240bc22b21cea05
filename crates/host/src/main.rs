fn main() { println!("anyarch"); }
