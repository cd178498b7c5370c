use kiln::prelude::*;

#[derive(Model)]
#[model(input = [10])]
struct Net {
    name: String,
    fc: Linear<10, 10>,
    sizes: [usize; 2],
}

fn main() {
    let net = Net::init(1);
    println!("{}", net.name);
}
