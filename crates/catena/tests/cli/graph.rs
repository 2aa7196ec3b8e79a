//! `catena chain graph` and `catena ps show --graph`: pictures of chains as text, Mermaid and SVG.

use super::Place;

const CHAIN: &str = r#"name: nightly "build" [v2]
steps:
- {name: Get Sources, shell: 'true', undo: {name: Clean, shell: 'true'}}
- name: Build
  steps:
  - {id: lint, shell: 'true'}
  - {id: compile, shell: 'true', depends_on: [{step: lint, on: ended}]}
  - {id: test, shell: exit 1, depends_on: [lint, compile], join: any, error_policy: continue}
- name: Each
  for_each: {items: '[1, 2]', as: n, steps: [{id: one, shell: 'true', when: n > 1}]}
- {name: Again, shell: 'true', next_step_logic: {conditions: [{if: 1 > 2, next: each}]}}
- name: Both
  parallel: {branches: {left: [{id: a, shell: 'true'}], right: [{id: b, shell: 'true'}]}}
finally: [{name: 'Say <done> & "go"', shell: 'true'}]
"#;

#[test]
fn a_chain_is_a_tree_in_text() {
    let place = Place::new();
    place.write("chain.yaml", CHAIN);
    let done = place.run(&["chain", "graph", "chain.yaml"]);
    assert_eq!(done.code, 0, "{done:?}");
    insta::assert_snapshot!(done.out, @r#"
    nightly "build" [v2]
    ├─ get_sources [shell]
    │  └─ undo
    │     └─ clean [shell]
    ├─ build [steps]
    │  ├─ lint [shell]
    │  ├─ compile [shell] ← lint (ended)
    │  └─ test [shell] ← any: lint, compile
    ├─ each [for_each, n in [1, 2]]
    │  └─ one [shell] when n > 1
    ├─ again [shell]
    │     ⇢ each if 1 > 2
    ├─ both [parallel]
    │  ├─ branch left
    │  │  └─ a [shell]
    │  └─ branch right
    │     └─ b [shell]
    └─ finally
       └─ say__done_____go_ [shell]
    "#);
    assert!(!place.home().exists(), "drawing a file stores nothing");
}

#[test]
fn a_chain_is_a_flowchart_in_mermaid_whatever_its_names_are() {
    let place = Place::new();
    place.write("chain.yaml", CHAIN);
    let done = place.run(&["chain", "graph", "chain.yaml", "-o", "mermaid"]);
    insta::assert_snapshot!(done.out, @r#"
    ---
    title: "nightly \"build\" [v2]"
    ---
    flowchart TD
      s0["Get Sources<br/>shell"]
      subgraph b1["undo"]
        s1["Clean<br/>shell"]
      end
      subgraph s2["Build<br/>steps"]
        s3["lint<br/>shell"]
        s4["compile<br/>shell"]
        s5["test<br/>shell<br/>join: any"]
      end
      subgraph s6["Each<br/>for_each, n in #91;1, 2#93;"]
        s7["one<br/>shell<br/>when n #62; 1"]
      end
      s8["Again<br/>shell"]
      subgraph s9["Both<br/>parallel"]
        subgraph b4["branch left"]
          s10["a<br/>shell"]
        end
        subgraph b5["branch right"]
          s11["b<br/>shell"]
        end
      end
      subgraph b6["finally"]
        s12["Say #60;done#62; #38; #34;go#34;<br/>shell"]
      end
      s0 -. "undo" .-> b1
      s3 -->|"ended"| s4
      s3 --> s5
      s4 --> s5
      s0 --> s2
      s2 --> s6
      s6 --> s8
      s8 --> s9
      s8 -.->|"if 1 #62; 2"| s6
    "#);
}

#[test]
fn an_execution_is_drawn_with_how_its_steps_stand() {
    let place = Place::new();
    place.write("chain.yaml", CHAIN);
    assert_eq!(place.run(&["run", "chain.yaml"]).code, 0);
    let done = place.run(&["ps", "show", "2", "--graph"]);
    for line in [
        "execution 2 of nightly \"build\" [v2]: completed_with_errors\n",
        "test [shell] ← any: lint, compile: failed\n",
        "one [shell] when n > 1: 1 completed, 1 skipped\n",
        "clean [shell]: skipped\n",
    ] {
        assert!(done.out.contains(line), "{line} is not in {done:?}");
    }
    let mermaid = place.run(&["ps", "show", "2", "--graph", "-o", "mermaid"]).out;
    assert!(mermaid.contains("class s5 failed\n") && mermaid.contains("classDef failed "), "{mermaid}");
    assert_eq!(place.run(&["chain", "graph", "1"]).code, 0, "by its number");
    place.run(&["ps", "show", "2", "-o", "svg"]).fails(2, &["for `--graph`"]);
    place.run(&["ps", "show", "2", "--graph", "-o", "json"]).fails(2, &["not JSON"]);
    place.run(&["chain", "graph", "nightly"]).fails(4, &["no chain `nightly`"]);
    place.write("broken.yaml", "steps: [{shel: x}]\n");
    place.run(&["chain", "graph", "broken.yaml"]).fails(3, &["did you mean `shell`"]);
}

#[test]
fn an_svg_is_well_formed_and_names_are_text_in_it() {
    let place = Place::new();
    place.write("chain.yaml", CHAIN);
    let svg = place.run(&["chain", "graph", "chain.yaml", "-o", "svg"]).out;
    assert!(svg.contains("<title>nightly &quot;build&quot; [v2]</title>"), "{svg}");
    assert!(svg.contains(">Say &lt;done&gt; &amp; &quot;go&quot;</text>"), "{svg}");
    well_formed(&svg);
}

#[test]
fn a_chain_of_a_thousand_steps_is_drawn() {
    let place = Place::new();
    let step = |n: usize| {
        let needs: Vec<String> = (n.saturating_sub(3)..n).map(|before| format!("s{before}")).collect();
        format!("- {{id: s{n}, shell: 'true', depends_on: [{}]}}\n", needs.join(", "))
    };
    place.write("large.yaml", &format!("steps:\n{}", (0..1_000).map(step).collect::<String>()));
    let svg = place.run(&["chain", "graph", "large.yaml", "-o", "svg"]).out;
    assert_eq!(svg.matches("rx=\"6\"").count(), 1_000, "a box for each step");
    well_formed(&svg);
}

/// Every tag that opens closes, and no markup character stands elsewhere.
fn well_formed(svg: &str) {
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        assert!(!text.contains('>'), "{part}");
        let name = tag.split([' ', '/']).next().unwrap();
        match (tag.strip_prefix('/'), tag.ends_with('/')) {
            (Some(closed), _) => assert_eq!(open.pop(), Some(closed), "{part}"),
            (None, true) => {}
            (None, false) => open.push(name),
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
    }
    assert!(open.is_empty(), "{open:?}");
}
